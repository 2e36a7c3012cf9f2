export { checkConnection } from './check-connection.ts';
export { scanTenant } from './scan-tenant.ts';
export { syncMailbox } from './sync-mailbox.ts';
