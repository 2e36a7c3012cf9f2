const ZIP = Buffer.from('504b0304140006000800', 'hex');

/** What generated files are called, what they say they are, and what files of that type begin with. */
export const FILE_KINDS = [
  { name: 'Delivery note', extension: 'pdf', contentType: 'application/pdf', head: Buffer.from('%PDF-1.7\n') },
  { name: 'Price list', extension: 'xlsx', contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', head: ZIP },
  { name: 'Übersicht', extension: 'docx', contentType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', head: ZIP },
  { name: 'Dock photo', extension: 'jpg', contentType: 'image/jpeg', head: Buffer.from('ffd8ffe000104a46494600', 'hex') },
  { name: 'export', extension: 'csv', contentType: 'text/csv', head: Buffer.from('\ufeffnumber,place\r\n') },
  { name: '図面', extension: 'zip', contentType: 'application/zip', head: ZIP },
] as const; // prettier-ignore

/** What pictures inside of bodies are. */
export const PICTURE = {
  contentType: 'image/png',
  head: Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
} as const;

/** Names that attachments may really have and that careless readers stumble over. */
export const ODD_NAMES: readonly (string | null)[] = [
  '../../../etc/passwd',
  '..\\..\\Windows\\system.ini',
  'C:\\Users\\office\\list.xlsx',
  '/etc/shadow',
  '.',
  '..',
  '',
  null,
  'CON',
  'nul.txt',
  'trailing dots and spaces. . .',
  'a\u0000b.pdf',
  'two\r\nContent-Type: text/html\r\nlines.txt',
  'bell\u0007 tab\t escape\u001b[31m.csv',
  'invoice\u202egpj.exe',
  'half \ud83d a smile.png',
  '"quoted"; filename="other.exe".pdf',
  '<script>alert(1)</script>.html',
  '%2e%2e%2fpasswd',
  'колонна 柱 عمود עמוד.docx',
  '👩‍👩‍👧‍👦🏳️‍🌈.jpg',
  'e\u0301te\u0301.txt',
  '.hidden',
  'no extension',
  'archive.tar.gz',
  `${'long '.repeat(1_999)}n.txt`,
];
