export { checkConnection } from './check-connection.ts';
export { deliver } from './deliver.ts';
export { keepSession } from './keep-session.ts';
export { retryQuarantine } from './retry-quarantine.ts';
export { scanTenant } from './scan-tenant.ts';
export { startScheduledScan } from './scheduled-scan.ts';
export { sweepMailboxes } from './sweep-mailboxes.ts';
export { syncMailbox } from './sync-mailbox.ts';
