"""Words from which the seeded data is made: names, towns, banks. All of it is made up or public."""

from dataclasses import dataclass

MALE_NAMES = (
    "Jürgen", "Björn", "Jörg", "Günther", "Sören", "Lukas", "Thomas", "André", "Mehmet", "Paweł",
    "Tobias", "Stefan", "René", "Luca", "Jonas", "Dmitri", "Karl-Heinz", "Ömer", "François", "Max",
)  # fmt: skip
FEMALE_NAMES = (
    "Jördis", "Käthe", "Zoë", "Anna-Lena", "Ayşe", "Sabine", "Chloé", "Marie", "Jana", "Ilse",
    "Petra", "Małgorzata", "Sophie", "Lea", "Hülya", "Ursula", "Mia", "Renée", "Katrin", "Elif",
)  # fmt: skip
SURNAMES = (
    "Müller", "Schröder", "Weiß", "Groß", "Köhler", "Krüger", "Schäfer", "Böhm", "Jäger", "Straß",
    "Schmidt", "Meyer-Lüdenscheid", "von der Heydt", "Yılmaz", "Nowak", "Öztürk", "Keßler", "Huber",
    "Brönnimann", "Wagner", "Becker", "O'Brien", "Lößl", "Grünewald", "Hofmann", "Ärmel", "Kaya",
)  # fmt: skip
COMPANIES = (
    "Bäckerei Süßmann", "Autohaus Nordstraße", "Möbel Höfner", "Gerüstbau Kühn", "Café Größenwahn",
)  # fmt: skip
LEGAL_FORMS = ("GmbH", "UG (haftungsbeschränkt)", "GmbH & Co. KG", "AG")
STREETS = (
    "Hauptstraße", "Bahnhofstraße", "Schloßallee", "Am Mühlbach", "Königsplatz", "Goethestraße",
    "Straße des 17. Juni", "An der Höhe", "Lindenweg", "Gräfin-Dönhoff-Ring", "Kirchgasse",
)  # fmt: skip
CLUBS = ("Fitness Süd", "Kraftwerk", "Studio Grün", "Muskelschmiede", "VitalPark", "Körperkult")
REJECTIONS = ("INSUFFICIENT_FUNDS", "ACCOUNT_CLOSED", "REFUND_BY_DEBTOR", "NO_MANDATE")
BLOCKS = ("Schuldnerberatung", "Ratenzahlung vereinbart", "Umzug wird geprüft", "Insolvenz")


@dataclass(frozen=True)
class Bank:
    """A bank: `code` is the national part of its IBANs."""

    name: str
    bic: str
    code: str


@dataclass(frozen=True)
class Country:
    """A country in which there are studios."""

    code: str
    name: str
    currency: str
    time_zone: str
    dialling_code: str
    account_digits: int
    cities: tuple[tuple[str, str], ...]
    """Town and postal code."""
    banks: tuple[Bank, ...]


GERMANY = Country(
    code="DE",
    name="Deutschland",
    currency="EUR",
    time_zone="Europe/Berlin",
    dialling_code="+49",
    account_digits=10,
    cities=(
        ("Berlin", "10115"),
        ("Dresden", "01067"),
        ("Düsseldorf", "40213"),
        ("Frankfurt (Oder)", "15230"),
        ("Göttingen", "37073"),
        ("Köln", "50667"),
        ("Lübeck", "23552"),
        ("München", "80331"),
        ("Nürnberg", "90402"),
    ),
    banks=(
        Bank("Sparkasse KölnBonn", "COLSDE33XXX", "37050198"),
        Bank("Commerzbank", "COBADEFFXXX", "10040000"),
        Bank("Deutsche Kreditbank", "BYLADEM1001", "12030000"),
        Bank("ING-DiBa", "INGDDEFFXXX", "50010517"),
        Bank("Postbank", "PBNKDEFF", "10010010"),
    ),
)
AUSTRIA = Country(
    code="AT",
    name="Österreich",
    currency="EUR",
    time_zone="Europe/Vienna",
    dialling_code="+43",
    account_digits=11,
    cities=(("Wien", "1010"), ("Sankt Pölten", "3100"), ("Graz", "8010")),
    banks=(Bank("Erste Bank", "GIBAATWWXXX", "20111"), Bank("Raiffeisen", "RLNWATWW", "32000")),
)
SWITZERLAND = Country(
    code="CH",
    name="Schweiz",
    currency="CHF",
    time_zone="Europe/Zurich",
    dialling_code="+41",
    account_digits=12,
    cities=(("Zürich", "8001"), ("Genève", "1201"), ("Bern", "3011")),
    banks=(
        Bank("PostFinance", "POFICHBEXXX", "09000"),
        Bank("Zürcher Kantonalbank", "ZKBKCHZZ80A", "00700"),
    ),
)
UNITED_KINGDOM = Country(
    code="GB",
    name="Vereinigtes Königreich",
    currency="GBP",
    time_zone="Europe/London",
    dialling_code="+44",
    account_digits=8,
    cities=(("London", "SW1A 1AA"), ("Leeds", "LS1 1UR")),
    banks=(Bank("Barclays", "BARCGB22XXX", "BARC200415"), Bank("HSBC", "HBUKGB4B", "HBUK401276")),
)
