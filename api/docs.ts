import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Router } from 'express';
import type { OpenApiDocument } from './openapi.ts';

const UI = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const ASSETS = ['swagger-ui.css', 'index.css', 'swagger-ui-bundle.js', 'favicon-16x16.png', 'favicon-32x32.png'];

/** `/openapi.json`, and Swagger UI over it at `/docs/`: all from this process, nothing from elsewhere. */
export function docsRouter(document: OpenApiDocument): Router {
  const router = Router({ strict: true });
  const page = pageFor(document);
  router.get('/openapi.json', (_request, response) => void response.json(document));
  router.get('/docs', (_request, response) => response.redirect(301, 'docs/'));
  router.get('/docs/', (_request, response) => void response.type('html').send(page));
  router.get('/docs/start.js', (_request, response) => void response.type('js').send(START));
  for (const asset of ASSETS) {
    router.get(`/docs/${asset}`, (_request, response) => response.sendFile(asset, { root: UI, maxAge: '1h' }));
  }
  return router;
}

const START = `window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: '../openapi.json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout',
  });
};
`;

/** The page, which also names the operations and shows an example of the first body for who reads without scripts. */
const pageFor = (document: OpenApiDocument): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Outhaul API</title>
    <link rel="stylesheet" href="swagger-ui.css">
    <link rel="stylesheet" href="index.css">
    <link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
    <link rel="icon" type="image/png" href="favicon-16x16.png" sizes="16x16">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <noscript>
      <h1>Outhaul API</h1>
      <p>In full: <a href="../openapi.json">openapi.json</a></p>
      <pre>${escape(plainText(document))}</pre>
    </noscript>
    <script src="swagger-ui-bundle.js"></script>
    <script src="start.js"></script>
  </body>
</html>
`;

function plainText({ paths = {}, components }: OpenApiDocument): string {
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => `${method.toUpperCase()} ${path}  ${(operation as { summary?: string }).summary ?? ''}`,
    ),
  );
  const start = components?.schemas?.['ScanStart'];
  const example = start && 'example' in start ? JSON.stringify(start.example, null, 2) : '';
  return `${operations.join('\n')}\n\nPOST /api/v1/scan/start\n${example}`;
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
