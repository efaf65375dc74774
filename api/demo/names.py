"""Names for invented people: by gender and time of birth, common first, with rare and foreign ones in the tail."""


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text; an underscore joins what is one name of several."""
    return tuple(word.replace("_", " ") for word in text.split())


FEMALE = {
    1900: words(
        "Mary Linda Barbara Patricia Carol Susan Nancy Judith Margaret Sharon Betty Karen Shirley Joyce "
        "Kathleen Donna Ruth Dorothy Janet Virginia Helen Frances Marie Elaine Ellen Bonnie Evelyn Gloria "
        "Rosemary Lois Eleanor Irene Theresa Sylvia Marjorie Josephine Wilhelmina Concepción Ingeborg Ottilie"
    ),
    1960: words(
        "Lisa Jennifer Kimberly Michelle Angela Melissa Amy Elizabeth Laura Deborah Julie Christine Stephanie "
        "Rebecca Teresa Cynthia Pamela Sandra Victoria Katherine Monica Tamara Denise Andrea Veronica Yolanda "
        "Suzanne Gabriela Natalie Renée María Siobhán Aisha Priya Mei Xiomara Ngozi Zsófia Anneliese Bérénice"
    ),
    1985: words(
        "Jessica Ashley Emily Sarah Samantha Hannah Madison Abigail Olivia Emma Rachel Taylor Megan Lauren "
        "Alexandra Chloe Grace Sophia Isabella Natasha Danielle Brianna Jasmine Kayla Zoë Chloé Inés Leïla "
        "Saoirse Anaïs Yara Noor Fatima Ximena Aaliyah Linnéa Søs Thandiwe Eilidh Marisol"
    ),
}
MALE = {
    1900: words(
        "James Robert John William Richard David Charles Thomas Michael Ronald Larry Donald Joseph Gary "
        "George Kenneth Paul Edward Jerry Dennis Frank Raymond Roger Walter Harold Albert Eugene Arthur Ralph "
        "Lawrence Stanley Leonard Theodore Vernon Clarence Francis Alfonso Wolfgang Jürgen Ambrose"
    ),
    1960: words(
        "Mark Steven Jeffrey Timothy Kevin Brian Scott Gregory Christopher Matthew Daniel Anthony Andrew Eric "
        "Stephen Patrick Douglas Todd Jonathan Benjamin Samuel Philip Frederick Nicholas Alexander Vincent "
        "Peter Russell Carlos José Luis Hiroshi Rajesh Wei Olufemi Sean Seán François Björn Zdeněk"
    ),
    1985: words(
        "Joshua Tyler Brandon Justin Ryan Jacob Zachary Ethan Noah Logan Mason Dylan Austin Jordan Nathan "
        "Caleb Connor Lucas Gabriel Isaac Elijah Aiden Omar Mateo Diego Kofi Arjun Minh Malik Luca Andrés "
        "Søren Tomás Łukasz Óscar Jesús Yusuf Kwame Thaddeus Raphaël"
    ),
}
TWINS = {
    "F": [("Anna", "Anne"), ("Emma", "Emily"), ("Hannah", "Hailey"), ("Marie", "Maria"), ("Zoë", "Chloë")],
    "M": [("Jacob", "Jakob"), ("Daniel", "David"), ("Ethan", "Evan"), ("Luca", "Lucas"), ("Jordan", "Justin")],
}
NICKNAMES = {
    "Mary": "Molly", "Linda": "Lin", "Barbara": "Barb", "Patricia": "Patty", "Susan": "Sue", "Judith": "Judy",
    "Margaret": "Peggy", "Betty": "Bess", "Kathleen": "Kathy", "Dorothy": "Dot", "Virginia": "Ginny",
    "Frances": "Fran", "Eleanor": "Nell", "Theresa": "Terry", "Josephine": "Jo", "Wilhelmina": "Mina",
    "Jennifer": "Jenny", "Kimberly": "Kim", "Michelle": "Shelly", "Angela": "Angie", "Melissa": "Missy",
    "Elizabeth": "Liz", "Deborah": "Debbie", "Christine": "Chris", "Stephanie": "Steph", "Rebecca": "Becky",
    "Teresa": "Tess", "Cynthia": "Cindy", "Pamela": "Pam", "Sandra": "Sandy", "Victoria": "Vicky",
    "Katherine": "Kate", "Tamara": "Tammy", "Andrea": "Andie", "Veronica": "Ronnie", "Suzanne": "Sue",
    "Gabriela": "Gabby", "Natalie": "Nat", "Jessica": "Jess", "Emily": "Em", "Sarah": "Sadie", "Samantha": "Sam",
    "Abigail": "Abby", "Olivia": "Liv", "Rachel": "Rae", "Megan": "Meg", "Alexandra": "Alex", "Sophia": "Sophie",
    "Isabella": "Bella", "Natasha": "Tasha", "Danielle": "Dani", "James": "Jim", "Robert": "Bob", "John": "Jack",
    "William": "Bill", "Richard": "Rick", "David": "Dave", "Charles": "Chuck", "Thomas": "Tom", "Michael": "Mike",
    "Ronald": "Ron", "Donald": "Don", "Joseph": "Joe", "Kenneth": "Ken", "Edward": "Ted", "Raymond": "Ray",
    "Walter": "Walt", "Harold": "Hal", "Albert": "Al", "Eugene": "Gene", "Lawrence": "Larry", "Leonard": "Len",
    "Theodore": "Ted", "Steven": "Steve", "Jeffrey": "Jeff", "Timothy": "Tim", "Gregory": "Greg",
    "Christopher": "Chris", "Matthew": "Matt", "Daniel": "Dan", "Anthony": "Tony", "Andrew": "Drew",
    "Stephen": "Steve", "Patrick": "Pat", "Douglas": "Doug", "Jonathan": "Jon", "Benjamin": "Ben", "Samuel": "Sam",
    "Philip": "Phil", "Frederick": "Fred", "Nicholas": "Nick", "Alexander": "Alex", "Vincent": "Vince",
    "Joshua": "Josh", "Zachary": "Zach", "Jacob": "Jake", "Nathan": "Nate", "Gabriel": "Gabe", "Elijah": "Eli",
    "Thaddeus": "Thad",
}  # fmt: skip
SURNAMES = words(
    "Miller Smith Johnson Williams Brown Jones Davis Wilson Anderson Taylor Thomas Moore Martin Thompson "
    "White Clark Lewis Robinson Walker Hall Young King Wright Hill Scott Green Adams Baker Nelson Carter "
    "Mitchell Roberts Turner Phillips Campbell Parker Evans Edwards Collins Stewart Morris Rogers Reed "
    "Cook Morgan Bell Murphy Bailey Cooper Richardson Cox Howard Ward Peterson Gray James Watson Brooks "
    "Kelly Sanders Price Bennett Wood Barnes Ross Garcia Martinez Rodriguez Hernandez Lopez Gonzalez "
    "Perez Sanchez Ramirez Torres Flores Rivera Gomez Diaz Reyes Nguyen Tran Kim Lee Chen Wang Li Singh "
    "Patel Khan Ali Okafor Mensah Abdi Haddad Nakamura Tanaka Kowalski Novak Schmidt Schneider Weber "
    "Becker Hoffman Zimmerman Kaufman Krüger Müller Schäfer Strauß Jørgensen Åkesson Lindqvist O'Brien "
    "O'Connor O'Neill D'Angelo D'Souza M'Bala McCarthy McDonald MacLeod FitzGerald DeLuca Di_Marco "
    "Van_Dyke van_der_Berg de_la_Cruz St._Clair Núñez Peña Ibáñez Gutiérrez Muñoz Beaulieu Côté Lefèvre "
    "Desrosiers Papadopoulos Stavropoulos Yildiz Çelik Šimek Dvořák Wójcik Szczepański Nagy Horváth "
    "Ionescu Petrović Georgiev Kovalenko Ó_Súilleabháin Adebayo-Clarke Smith-Jones García-Ruiz "
    "Hall-Weaver Tumbleson Quackenbush Featherstonehaugh Yellowhorse Zwetchkenbaum"
)
# Rare surnames are composed, as English ones once were: two thousand families need more than a list holds.
FRONTS = words(
    "Ash Alder Black Brad Bram Brook Cald Chad Cold Crop Dun East Elm Fair Fal Far Green Hal Hart Hazel Hol "
    "Kirk Lang Lind Mar Mel Nor Oak Pem Red Rock Rush Shel Stan Stock Thorn Tur Wal Wes Whit Win Wood Yar"
)
BACKS = words(
    "ford wood ton ley worth field bridge brook well stead more combe man land by thorpe wick hurst gate ridge"
)
STREETS = words(
    "Maple Oak Cedar Birch Willow Chestnut Juniper Harvest Orchard Mill Quarry Lantern Heron Foxglove Meadow "
    "Prairie Summit Bluebird Clover Hickory Sycamore Whetstone Ridge Canal Depot Foundry Market Station "
    "Chapel Garden"
)
KINDS = (("Street", "St"), ("Avenue", "Ave"), ("Road", "Rd"), ("Lane", "Ln"), ("Drive", "Dr"), ("Court", "Ct"))
# Towns that are on no map, with postcodes of the state where the shops are.
TOWNS = (
    ("Harlow Creek", "430"), ("Maple Falls", "431"), ("New Ardley", "432"), ("Port Wexham", "434"),
    ("Stillwater Bend", "436"), ("East Kendrick", "440"), ("Cranmoor", "442"), ("Bellefield", "445"),
    ("Tamarack", "447"), ("Loudon Mills", "450"), ("Saint Odile", "452"), ("Greyport", "454"),
)  # fmt: skip
