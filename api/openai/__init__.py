"""OpenAI's routes: views of jobs and assets that its SDK reads unchanged."""
