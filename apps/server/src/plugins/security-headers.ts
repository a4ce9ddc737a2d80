import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

/** Headers for the dashboard: everything from here, images also from memory (canvas, uploads), the live stream from the same host. */
export async function installSecurityHeaders(app: FastifyInstance) {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        baseUri: ["'none'"],
        connectSrc: ["'self'"],
        fontSrc: ["'self'", 'data:'],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        objectSrc: ["'none'"],
        scriptSrc: ["'self'"],
        // charts and transitions set style attributes
        styleSrc: ["'self'", "'unsafe-inline'"],
        workerSrc: ["'self'", 'blob:'],
      },
    },
    crossOriginEmbedderPolicy: false,
    // the server speaks plain HTTP; whoever puts TLS before it decides this
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
  })
}
