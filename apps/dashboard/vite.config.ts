import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ProxyOptions } from 'vite'

const server = 'http://127.0.0.1:3000'
/** The server answers pages of its own origin only; behind the development server that is what they are. */
const toServer: ProxyOptions = { target: server, changeOrigin: true, headers: { origin: server } }

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [svelte()],
  build: {
    outDir: '../../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // The server's content security policy allows no data: URL but those of images
    assetsInlineLimit: 0,
    // light-dark() is kept as written: browsers have had it since May 2024
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
  },
  server: {
    proxy: {
      '/v1': { ...toServer, ws: true },
      '/predict': toServer,
      '/docs': toServer,
      '/metrics': toServer,
      '/openapi.json': toServer,
    },
  },
})
