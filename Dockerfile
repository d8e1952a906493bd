# The image is the binary and the CA certificates: copy the binary from it into
# an agent image, or into a volume with slipway install. The target debug is the
# same with busybox's shell, for CI systems that run a shell in a step's image, and
# kaniko and kaniko-debug are both in the shape of kaniko's images.
#
#   slipway build --platform linux/amd64,linux/arm64 --output type=local,dest=dist .
#
# Both architectures are cross-compiled on the builder's own. The result
# depends on the sources, the Go version, VERSION and COMMIT only; the flags and
# the version of Go are those of make release, so the binary is that of a release.
# Where golang and busybox cannot be pulled, --build-context golang:1.26.11=DIR and
# --build-context busybox:1.37.0-musl=oci-layout://… stand in for them, and where
# modules cannot be fetched from the build, --build-context modules=DIR holds a
# download cache (`make image` does all of this).

FROM scratch AS modules

FROM --platform=$BUILDPLATFORM golang:1.26.11 AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOMODCACHE=/go/pkg/mod GOCACHE=/go/cache \
    GOFLAGS="-trimpath -buildvcs=false -tags=grpcnotrace -gcflags=all=-dwarf=false"
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go --mount=from=modules,target=/modules \
    if [ -d /modules/cache ]; then export GOPROXY=file:///modules/cache/download GONOSUMDB='*'; fi && \
    go mod download
COPY agent agent
COPY bake bake
COPY cmd cmd
COPY configmap configmap
COPY internal internal
COPY registry registry
ARG TARGETOS TARGETARCH VERSION=dev COMMIT
RUN --mount=type=cache,target=/go \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build \
    -ldflags "-s -w -buildid= -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/slipway ./cmd/slipway && \
    mkdir -p /out/home/slipway && chmod 1777 /out/home/slipway

# What images in kaniko's shape have besides the program, and the names of busybox's
# programs, which are those of every architecture.
FROM --platform=$BUILDPLATFORM busybox:1.37.0-musl AS applets
FROM build AS shape
RUN --mount=from=applets,target=/applets \
    mkdir -p /shape/kaniko/.docker /shape/kaniko/ssl/certs /shape/tmp /shape/usr/local/bin /shape/workspace /shell/bin /shell/busybox && \
    chmod 1777 /shape/kaniko /shape/kaniko/.docker /shape/kaniko/ssl/certs /shape/tmp /shape/workspace && \
    ln -s executor /shape/kaniko/warmer && ln -s /kaniko/executor /shape/usr/local/bin/slipway && \
    for name in $(/applets/bin/busybox --list); do ln -sf busybox /shell/busybox/$name; done && \
    rm -f /shell/busybox/busybox && ln -s /busybox/sh /shell/bin/sh

# Nothing runs in it while it is built, so no builder needs an emulator. It has no
# git: CI systems clone with an image of their own.
FROM busybox:1.37.0-musl AS debug
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Everybody may write to the home, because a cluster such as OpenShift gives each
# pod a user and a group of its own.
COPY --from=build /out/home/ /home/
COPY --from=build /out/slipway /usr/local/bin/slipway
ENV HOME=/home/slipway
WORKDIR /home/slipway
USER 65532:65532
# No entrypoint: a CI system's shell is not to become an argument of slipway.
CMD ["sh"]

# The targets kaniko and kaniko-debug have the shape of kaniko's images, for pipelines that
# name its paths: the executor, the directories of credentials and certificates, which
# anybody may write to, and the working directory. As in kaniko's no user is named, for
# what jobs mount may be root's; any other user will do.
FROM scratch AS kaniko
COPY --from=shape /shape/ /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /kaniko/ssl/certs/ca-certificates.crt
COPY --from=build /out/slipway /kaniko/executor
ENV HOME=/kaniko PATH=/usr/local/bin:/kaniko DOCKER_CONFIG=/kaniko/.docker/ SSL_CERT_DIR=/kaniko/ssl/certs
WORKDIR /workspace
ENTRYPOINT ["/kaniko/executor"]

FROM kaniko AS kaniko-debug
COPY --from=shape /shell/ /
COPY --from=debug /bin/busybox /busybox/busybox
ENV PATH=/usr/local/bin:/kaniko:/busybox

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/slipway /usr/local/bin/slipway
# No user of its own and no home: what runs this image needs to write nothing.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/slipway"]
