import type { Migration } from '../run-migrations.ts';
import * as control from './control/0001-control.ts';
import * as quarantine from './control/0002-quarantine.ts';
import * as scanControls from './control/0003-scan-controls.ts';
import * as connections from './control/0004-connections.ts';
import * as keyRing from './control/0005-key-ring.ts';
import * as coverage from './control/0006-coverage.ts';
import * as continuous from './control/0007-continuous.ts';
import * as delivery from './control/0008-delivery.ts';
import * as attendance from './control/0009-attendance.ts';
import * as upkeep from './control/0010-upkeep.ts';
import * as contacts from './control/0011-contacts.ts';
import * as batches from './control/0012-batches.ts';

/** The control schema `outhaul`, oldest step first. A step that was published is never changed, only followed. */
export const controlMigrations: readonly Migration[] = [
  { name: '0001-control', sql: control.sql },
  { name: '0002-quarantine', sql: quarantine.sql },
  { name: '0003-scan-controls', sql: scanControls.sql },
  { name: '0004-connections', sql: connections.sql },
  { name: '0005-key-ring', sql: keyRing.sql },
  { name: '0006-coverage', sql: coverage.sql },
  { name: '0007-continuous', sql: continuous.sql },
  { name: '0008-delivery', sql: delivery.sql },
  { name: '0009-attendance', sql: attendance.sql },
  { name: '0010-upkeep', sql: upkeep.sql },
  { name: '0011-contacts', sql: contacts.sql },
  { name: '0012-batches', sql: batches.sql },
];
