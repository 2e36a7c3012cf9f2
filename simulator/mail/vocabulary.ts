/** The words of one language that generated mail is made of. */
export interface Vocabulary {
  language: string;
  greetings: readonly string[];
  sentences: readonly string[];
  closings: readonly string[];
  subjects: readonly string[];
}

/** Languages in the order of their share: the first ones are used most. */
export const VOCABULARIES: readonly Vocabulary[] = [
  {
    language: 'en',
    greetings: ['Hi all,', 'Dear team,', 'Hello,', 'Good morning,'],
    sentences: [
      'The lorry from the northern depot arrives on Thursday, so please keep bay three free.',
      'I have gone through the figures twice and they now agree with the ledger.',
      'Could somebody check whether the second signature is still missing?',
      'Please find the minutes below; corrections are welcome until Friday noon.',
      'Our supplier confirmed the new price list, valid from the first of next month.',
      'The test line ran for eleven hours without a stop & the reject rate fell to 0.4 %.',
      'If nobody objects, I will book the small meeting room for the whole afternoon.',
      'The customer asked for "delivery free of charge" and we agreed to split the cost.',
      'Attached is the drawing with the changed bore; everything else stayed as it was.',
      'Remember that the canteen is closed next week because of the building works.',
    ],
    closings: ['Best regards', 'Thanks', 'Kind regards', 'See you tomorrow'],
    subjects: [
      'Delivery note',
      'Minutes of the meeting',
      'Invoice',
      'Question about order',
      'Weekly figures',
      'Site visit',
    ],
  },
  {
    language: 'de',
    greetings: ['Hallo zusammen,', 'Sehr geehrte Damen und Herren,', 'Guten Morgen,'],
    sentences: [
      'die Lieferung für Halle 4 verzögert sich bis übermorgen, weil die Straße gesperrt ist.',
      'Bitte prüft die Maße auf Seite drei, dort hat sich ein Fehler eingeschlichen.',
      'Der Kunde wünscht ein größeres Gehäuse und übernimmt die Mehrkosten.',
      'Die Schulung findet im Besprechungsraum „Elbe“ statt; Getränke sind vorhanden.',
      'Anbei die unterschriebene Bestätigung mit der Bitte um kurze Rückmeldung.',
      'Für die Prüfung brauchen wir noch die Fräsdaten und das Protokoll vom März.',
    ],
    closings: ['Mit freundlichen Grüßen', 'Viele Grüße', 'Schönes Wochenende'],
    subjects: ['Lieferverzögerung', 'Rechnung', 'Rückfrage zum Auftrag', 'Prüfprotokoll', 'Terminänderung'],
  },
  {
    language: 'fr',
    greetings: ['Bonjour à tous,', 'Chère équipe,', 'Madame, Monsieur,'],
    sentences: [
      'la réunion de jeudi est déplacée à quatorze heures, dans la salle du rez-de-chaussée.',
      'Le devis a été accepté ; la commande partira dès réception de l’acompte.',
      'Merci de vérifier les quantités : il manque peut-être une palette.',
      'Vous trouverez ci-après le relevé des heures déjà validé par le chef d’atelier.',
      'Où en sommes-nous avec les pièces de rechange ? Le client s’impatiente.',
    ],
    closings: ['Cordialement', 'Bien à vous', 'À bientôt'],
    subjects: ['Réunion déplacée', 'Facture', 'Devis accepté', 'Pièces de rechange', 'Relevé des heures'],
  },
  {
    language: 'ja',
    greetings: ['皆様', 'お世話になっております。'],
    sentences: [
      '来週の納品予定について、変更がございますのでご確認をお願いいたします。',
      '見積書の金額に誤りがありましたので、修正版をお送りします。',
      '工場の点検は金曜日の午後三時から始まります。',
      '会議室の予約が取れましたら、ご連絡ください。',
    ],
    closings: ['よろしくお願いいたします。', '以上'],
    subjects: ['納品予定の変更', '見積書', '会議のご案内', '点検のお知らせ'],
  },
  {
    language: 'ru',
    greetings: ['Добрый день!', 'Коллеги,'],
    sentences: [
      'Отгрузка перенесена на среду, склад уже предупреждён.',
      'Прошу проверить акт сверки: сумма расходится на сорок рублей.',
      'Новый договор подписан, оригиналы отправлены почтой.',
      'Совещание начнётся в десять, повестка прежняя.',
    ],
    closings: ['С уважением', 'Спасибо'],
    subjects: ['Отгрузка', 'Акт сверки', 'Договор', 'Повестка совещания'],
  },
  {
    language: 'ar',
    greetings: ['السلام عليكم،', 'صباح الخير،'],
    sentences: [
      'نرجو تأكيد موعد التسليم قبل نهاية الأسبوع.',
      'تم اعتماد الفاتورة وسيتم التحويل غداً إن شاء الله.',
      'يرجى مراجعة الكميات الواردة في الصفحة الثانية.',
    ],
    closings: ['مع التحية', 'وشكراً'],
    subjects: ['موعد التسليم', 'فاتورة', 'مراجعة الكميات'],
  },
  {
    language: 'he',
    greetings: ['שלום לכולם,', 'בוקר טוב,'],
    sentences: [
      'המשלוח יגיע ביום שני בשעה 09:30, נא להיערך.',
      'החשבונית אושרה ותשולם עד סוף החודש.',
      'נא לבדוק את הטבלה המצורפת.',
    ],
    closings: ['בברכה', 'תודה'],
    subjects: ['משלוח', 'חשבונית', 'טבלה מעודכנת'],
  },
  {
    language: 'emoji',
    greetings: ['Hey 👋', 'Team 🎉,'],
    sentences: [
      'Launch went out at 09:00 🚀 and the graphs are green 💚 so far.',
      'Cake in the kitchen 🍰, first come, first served 👩‍👩‍👧‍👦.',
      'Thumbs up 👍🏽 if you can make it to the boat trip ⛵ on Saturday.',
    ],
    closings: ['Cheers 🥂', '✌️'],
    subjects: ['🚀 Launch', 'Cake 🍰', '⛵ Boat trip', '👀 Please look'],
  },
];

export const GIVEN_NAMES = [
  'Anna', 'Bernd', 'Chloé', 'Dmitri', 'Elif', 'Farid', 'Grace', 'Hiroshi', 'Ingrid', 'João', 'Kerstin', 'Lucía', 'Mehmet',
  'Nadia', 'Ömer', 'Paula', 'Quentin', 'Rosa', 'Sean', 'Tomáš', 'Ursula', 'Viktor', 'Wanda', 'Xenia', 'Yuki', 'Zofia',
] as const; // prettier-ignore

export const SURNAMES = [
  'Ahrens', 'Bianchi', 'Castro', 'Dubois', 'Eriksen', 'Fischer', 'García', 'Hughes', 'Ivanova', 'Jensen', 'Kowalski',
  'Lindqvist', 'Müller', 'Nakamura', "O'Brien", 'Petrov', 'Quinn', 'Rossi', 'Şahin', 'Tanaka', 'Ueda', 'Virtanen', 'Weber',
  'Yılmaz', 'Zhang',
] as const; // prettier-ignore

/** Mail hosts of the people outside the tenant. */
export const OUTSIDE_DOMAINS = ['quay.example', 'ropeworks.example', 'chandler.example', 'tide.example'] as const;
