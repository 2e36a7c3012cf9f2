import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';

/** Search attributes are stored in the clear: organization and scan ids only. */
export const organizationIdKey = defineSearchAttributeKey('OrganizationId', SearchAttributeType.KEYWORD);
export const scanIdKey = defineSearchAttributeKey('ScanId', SearchAttributeType.KEYWORD);
