import type { Migration } from '../run-migrations.ts';
import * as organization from './organization/0001-organization.ts';
import * as continuous from './organization/0002-continuous.ts';
import * as placed from './organization/0003-placed.ts';
import * as attachments from './organization/0004-attachments.ts';
import * as content from './organization/0005-content.ts';
import * as contacts from './organization/0006-contacts.ts';

/** The schema of one organization, oldest step first; `schema` is its name, quoted. */
export const organizationMigrations = (schema: string): readonly Migration[] => [
  { name: '0001-organization', sql: organization.sql(schema) },
  { name: '0002-continuous', sql: continuous.sql(schema) },
  { name: '0003-placed', sql: placed.sql(schema) },
  { name: '0004-attachments', sql: attachments.sql(schema) },
  { name: '0005-content', sql: content.sql(schema) },
  { name: '0006-contacts', sql: contacts.sql(schema) },
];
