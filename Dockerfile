# syntax=docker/dockerfile:1
# One static binary, without a shell, that runs as nobody. Build: docker build -t samdok .
# The version that it shows is that of the git checkout.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /samdok ./cmd/samdok \
    && mkdir -m 0700 /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /samdok /samdok
COPY --from=build --chown=65532:65532 /data /var/lib/samdok
USER 65532:65532
VOLUME /var/lib/samdok
# 8080 is the public listener, 8081 the internal one (health, metrics).
EXPOSE 8080 8081
ENV SAMDOK_DATA=/var/lib/samdok
ENTRYPOINT ["/samdok"]
CMD ["serve"]
