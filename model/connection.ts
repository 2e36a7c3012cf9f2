/** Microsoft's clouds: each has an Entra and a Graph of its own, and tokens of one are worth nothing in another. */
export const CLOUDS = ['global', 'gcc-high', 'dod', 'china'] as const;
export type Cloud = (typeof CLOUDS)[number];

/** How the app registration proves itself to Microsoft Entra. */
export type Credential =
  | { readonly kind: 'secret'; readonly clientSecret: string }
  | {
      readonly kind: 'certificate';
      /** The certificate, PEM. */
      readonly certificate: string;
      /** Its private key, PEM (PKCS #8), not encrypted. */
      readonly privateKey: string;
    };

/** An organization's app registration in its tenant. */
export interface Connection {
  /** A GUID or a verified domain of the tenant. */
  readonly tenantId: string;
  readonly clientId: string;
  readonly cloud: Cloud;
  readonly credential: Credential;
}
