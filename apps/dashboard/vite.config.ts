import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const api = 'http://127.0.0.1:3000'

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
      '/v1': { target: api, ws: true, changeOrigin: true },
      '/docs': { target: api },
      '/metrics': { target: api },
      '/openapi.json': { target: api },
      '/predict': { target: api },
    },
  },
})
