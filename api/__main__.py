"""`python -m api`: the HTTP service alone, with the settings of the environment."""

import os


def main() -> None:
    """Serves until it is told to stop."""
    import uvicorn

    from api.main import create_app
    from medley import logs
    from medley.settings import Settings

    settings = Settings()
    logs.configure(settings.log_format)
    os.environ.setdefault("OTEL_SERVICE_NAME", "medley")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
