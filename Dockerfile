# One image for every role: `serve` (the default), `worker`, `migrate`.
# Build: docker build -t tollway .      Run: docker run -v ./config.yaml:/etc/tollway/config.yaml …

FROM python:3.13-slim AS build
# One that uv fetched would not be there in the second image.
ENV UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir "uv>=0.9"
WORKDIR /app
COPY pyproject.toml uv.lock ./
# Without the extra `embedded`: that is for a laptop; a container has a Postgres of its own.
RUN uv sync --frozen --no-dev --no-install-project --compile-bytecode

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home tollway
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY pyproject.toml config.yaml ./
COPY policies policies
COPY proxy proxy
COPY billing billing
COPY checkout_pages checkout_pages
COPY gateway gateway
# The image is read-only where it runs: compiled here or at every start.
RUN /app/.venv/bin/python -m compileall -q policies proxy billing checkout_pages gateway
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
USER tollway
EXPOSE 8080
# For plain HTTP; with listen.tls let whoever runs the container ask over https instead.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
  "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["serve", "-c", "/etc/tollway/config.yaml"]
