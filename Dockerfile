# lbd and lbctl, and nothing else: no shell, no package manager, no root.
#
#   docker build -t lbd --build-arg LBD_COMMIT="$(git rev-parse --short=12 HEAD)" .
#   docker run -p 8080:8080 -v "$PWD/conf:/etc/lbd:ro" -v lbd-state:/var/lib/lbd lbd
#
# Mount the folder of the configuration, never the file: a file that is mounted alone is not seen to change.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# What `lbd --version` says; the repository itself stays outside (.dockerignore).
ARG LBD_COMMIT=""
RUN LBD_COMMIT="$LBD_COMMIT" cargo build --release --locked --workspace --bins \
    && install -D -t /out/usr/bin target/release/lbd target/release/lbctl \
    && install -D -m 644 packaging/docker/lbd.kdl /out/etc/lbd/lbd.kdl \
    && install -d /empty

# glibc, libgcc, certificates of authorities, time zones; the user `nonroot` is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
# What it writes: keys and past configurations, and the control socket.
COPY --from=build --chown=65532:65532 /empty /var/lib/lbd
COPY --from=build --chown=65532:65532 /empty /run/lbd
ENV LBD_STATE_DIR=/var/lib/lbd
VOLUME /var/lib/lbd
EXPOSE 8080 8081
# The daemon answers. Whether its servers do is the business of /ready and `lbctl check`.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/bin/lbctl", "--quiet", "--timeout", "4s", "daemon", "info"]
STOPSIGNAL SIGTERM
USER 65532:65532
ENTRYPOINT ["/usr/bin/lbd"]
CMD ["run", "/etc/lbd/lbd.kdl"]
