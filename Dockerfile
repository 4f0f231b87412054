# The collector: `leyden up` over a ClickHouse server, or over an embedded store in /var/lib/leyden.
#
#   docker build -t leyden-collector .
#   docker run -p 127.0.0.1:4318:4318 -v leyden:/var/lib/leyden leyden-collector
FROM python:3.11-slim-bookworm AS build

WORKDIR /src
RUN python -m venv /opt/leyden
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY leyden leyden
COPY instrumentation instrumentation
COPY store store
COPY collector collector
COPY exporters exporters
COPY trainers trainers
COPY dashboards dashboards
RUN /opt/leyden/bin/python -m pip install --no-cache-dir --constraint constraints.txt '.[collector]'

FROM python:3.11-slim-bookworm

RUN useradd --system --uid 10001 --home-dir /var/lib/leyden --create-home leyden
COPY --from=build /opt/leyden /opt/leyden
ENV PATH=/opt/leyden/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LEYDEN_STORE=chdb:///var/lib/leyden/store
USER leyden
WORKDIR /var/lib/leyden
VOLUME /var/lib/leyden
EXPOSE 4317 4318
ENTRYPOINT ["leyden"]
CMD ["up", "--host", "0.0.0.0", "--spool", "/var/lib/leyden/spool"]
