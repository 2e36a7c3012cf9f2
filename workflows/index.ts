export { scanTenant } from './scan-tenant.ts';
export { syncMailbox } from './sync-mailbox.ts';
