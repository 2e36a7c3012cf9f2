import { describe, expect, test } from 'vitest';
import { endpointsOf } from '../../graph/clouds.ts';
import { CLOUDS } from '../../model/connection.ts';

describe('Endpoints', () => {
  test.each([
    ['global', 'https://login.microsoftonline.com', 'https://graph.microsoft.com'],
    ['gcc-high', 'https://login.microsoftonline.us', 'https://graph.microsoft.us'],
    ['dod', 'https://login.microsoftonline.us', 'https://dod-graph.microsoft.us'],
    ['china', 'https://login.chinacloudapi.cn', 'https://microsoftgraph.chinacloudapi.cn'],
  ] as const)('of the cloud %s are its own hosts, and its tokens are for its Graph', (cloud, login, graph) => {
    expect(endpointsOf(cloud)).toEqual({
      graphOrigin: graph,
      graphPrefix: '/v1.0',
      authorityUrl: login,
      authorityKnown: true,
      scope: `${graph}/.default`,
    });
  });

  test('exist for every cloud', () => {
    expect(CLOUDS.map((cloud) => endpointsOf(cloud).graphOrigin)).toHaveLength(4);
  });

  test.each([
    ['https://graph.microsoft.com', 'https://graph.microsoft.com', '/v1.0'],
    ['https://graph.microsoft.com/v1.0', 'https://graph.microsoft.com', '/v1.0'],
    ['https://graph.microsoft.com/v1.0/', 'https://graph.microsoft.com', '/v1.0'],
    ['https://proxy.example:8443/graph', 'https://proxy.example:8443', '/graph/v1.0'],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5000', '/v1.0'],
    ['http://[::1]:5000/v1.0', 'http://[::1]:5000', '/v1.0'],
  ])('take the Graph URL %s', (url, graphOrigin, graphPrefix) => {
    expect(endpointsOf('global', url)).toMatchObject({ graphOrigin, graphPrefix });
  });

  test('ask for a token of the Graph that the URL names, if it is one of Microsoft', () => {
    expect(endpointsOf('global', 'https://graph.microsoft.us').scope).toBe('https://graph.microsoft.us/.default');
    expect(endpointsOf('dod', 'https://proxy.example').scope).toBe('https://dod-graph.microsoft.us/.default');
  });

  test.each([
    ['http://graph.example', 'https'],
    ['http://10.0.0.1', 'https'],
    ['http://127.0.0.1.example.com', 'https'],
    ['http://localhost@evil.example', 'user'],
    ['ftp://graph.microsoft.com', 'http or https'],
    ['graph.microsoft.com', 'http or https'],
    ['', 'http or https'],
  ])('refuse %j and say why', (url, words) => {
    expect(() => endpointsOf('global', url)).toThrow(new RegExp(`^graphUrl .*${words}`));
    expect(() => endpointsOf('global', undefined, url)).toThrow(new RegExp(`^authorityUrl .*${words}`));
  });
});
