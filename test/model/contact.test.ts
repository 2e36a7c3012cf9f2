import { describe, expect, it } from 'vitest';
import { contactAddress, contactAddresses } from '../../model/contact.ts';

describe('the address that a recipient is counted under', () => {
  it.each([
    ['ada@contoso.example', 'ada@contoso.example'],
    ['  Ada.Lovelace@CONTOSO.example ', 'ada.lovelace@contoso.example'],
    ['Ada Lovelace <Ada@contoso.example>', 'ada@contoso.example'],
    ['"Lovelace, Ada" <ada@contoso.example>', 'ada@contoso.example'],
    ["'ada@contoso.example'", 'ada@contoso.example'],
    ['"ada@contoso.example"', 'ada@contoso.example'],
    ['<ada@contoso.example>', 'ada@contoso.example'],
    ['mailto:ada@contoso.example', 'ada@contoso.example'],
    ['SMTP:ada@contoso.example', 'ada@contoso.example'],
    ['ada@contoso.example.', 'ada@contoso.example'],
    ['ada+news@contoso.example', 'ada+news@contoso.example'],
    ["o'hara@contoso.example", "o'hara@contoso.example"],
    ['=sum(a1)@contoso.example', '=sum(a1)@contoso.example'],
    ['JÖRG@MÜNCHEN.example', 'jörg@münchen.example'],
    ['IMCEASMTP-Ada+40contoso+2Eexample@mail.contoso.example', 'ada@contoso.example'],
    ['IMCEAMAILTO-ada+40contoso+2Eexample@mail.contoso.example', 'ada@contoso.example'],
  ])('%s is %s', (text, address) => {
    expect(contactAddress(text)).toEqual({ address, domain: address.slice(address.lastIndexOf('@') + 1) });
  });

  it.each([
    ['nothing', null],
    ['an empty address', ''],
    ['a group of its name only', 'Team Sales'],
    ['a group without members', 'undisclosed-recipients:;'],
    ['a legacy distinguished name', '/O=CONTOSO/OU=EXCHANGE/CN=RECIPIENTS/CN=ADA'],
    ['one with its type', 'EX:/o=Contoso/ou=First/cn=Recipients/cn=ada'],
    ['one wrapped as an address', 'IMCEAEX-_O=CONTOSO_OU=EXCHANGE_CN=RECIPIENTS_CN=ADA@contoso.example'],
    ['a fax number wrapped as an address', 'IMCEAFAX-Ada+40+2B49+2030@contoso.example'],
    ['what unwraps to a wrapped one', 'IMCEASMTP-IMCEASMTP-a+2B40b+40c+2Ed@contoso.example'],
    ['what unwraps to a legacy name', 'IMCEASMTP-_o+3DContoso@contoso.example'],
    ['a bare host', 'root@localhost'],
    ['a host by its number', 'ada@[192.0.2.1]'],
    ['two addresses', 'ada@contoso.example;bob@contoso.example'],
    ['control characters', 'ada\u0007@contoso.example'],
    ['more than an address has', `${'a'.repeat(320)}@contoso.example`],
  ])('%s is none', (_, text) => {
    expect(contactAddress(text)).toBeUndefined();
  });

  it('is there once for each mail, in whatever case it stands', () => {
    expect(contactAddresses(['Ada@Contoso.example', null, 'ADA@contoso.example', 'bob@contoso.example'])).toEqual([
      { address: 'ada@contoso.example', domain: 'contoso.example' },
      { address: 'bob@contoso.example', domain: 'contoso.example' },
    ]);
  });
});
