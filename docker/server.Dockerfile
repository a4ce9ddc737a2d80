# docker build -f docker/server.Dockerfile --build-arg GIT_COMMIT=$(git rev-parse HEAD) -t noprop-studio .

FROM node:20-bookworm-slim AS build
# compiles better-sqlite3 where its prebuilt binary cannot be downloaded
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app

# the manifests alone, so that a change of the sources does not install anew
COPY package.json package-lock.json ./
COPY apps/dashboard/package.json apps/dashboard/
COPY apps/server/package.json apps/server/
COPY apps/trainer/package.json apps/trainer/
COPY packages/contract/package.json packages/contract/
COPY packages/datasets/package.json packages/datasets/
COPY packages/engine/package.json packages/engine/
COPY packages/noprop/package.json packages/noprop/
COPY e2e/package.json e2e/
# Without install scripts nothing is downloaded that the image does not use: libtensorflow and the CUDA libraries of
# ONNX Runtime. The `cpu` device comes whole inside its package; better-sqlite3 is the one package that must build.
RUN npm ci --ignore-scripts --no-audit --no-fund && npm rebuild better-sqlite3

COPY . .
RUN npm run build \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  # TensorFlow's package without its library, and binaries of other systems
  && rm -rf node_modules/@tensorflow/tfjs-node-gpu node_modules/onnxruntime-node/bin/napi-v6/win32 node_modules/onnxruntime-node/bin/napi-v6/darwin

FROM node:20-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma/migrations prisma/migrations
COPY --from=build /app/dist dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data

ARG GIT_COMMIT=
# Other machines can reach 0.0.0.0, so the server starts only with NOPROP_API_TOKEN set.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 NOPROP_DATA_DIR=/data NOPROP_GIT_COMMIT=$GIT_COMMIT
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((response) => process.exit(response.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/server/main.js"]
