import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

/** The node that `npm run dev` speaks to; the built screen speaks to the node that serves it. */
const node = process.env['GANZHI_PROXY'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue()],
  base: '/',
  worker: { format: 'es' },
  build: {
    outDir: '../gateway/api/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1300,
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': node, '/map': node } },
})
