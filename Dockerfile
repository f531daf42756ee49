# One image for the API and the workers. `--build-arg TORCH_INDEX=…` chooses the build of torch (CPU by default).
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python -m venv /venv
COPY constraints.txt .
RUN /venv/bin/pip install --no-cache-dir "torch==2.13.0" --index-url ${TORCH_INDEX}
COPY . .
RUN /venv/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim-bookworm
# A fixed uid: volumes keep their owner from image to image.
RUN useradd --uid 10001 --create-home medley && install -d -o medley -g medley /data /models
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME ["/data", "/models"]
EXPOSE 8484
CMD ["medley", "up", "--host", "0.0.0.0"]
