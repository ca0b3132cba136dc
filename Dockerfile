# One image for every role: `siyu collect`, `siyu stitch`, `siyu api`.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/siyu
COPY . /src
RUN /opt/siyu/bin/pip install /src

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --no-create-home siyu \
 && install -d -o siyu -g siyu /var/lib/siyu
COPY --from=build /opt/siyu /opt/siyu
ENV PATH=/opt/siyu/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SIYU_DATA_DIR=/var/lib/siyu \
    SIYU_HOST=0.0.0.0 \
    SIYU_PORT=8600
USER 10001:10001
WORKDIR /var/lib/siyu
VOLUME /var/lib/siyu
EXPOSE 8600
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['SIYU_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["siyu"]
CMD ["up"]
