"""The facts of the tiny world: small tables of everyday English that the other modules read.

A table maps a subject to its answer: "subject:answer, subject:answer". An answer may list equivalent
spellings separated by "|"; generated answers use the first. The module only reads these tables; nothing in it
is random.
"""

from __future__ import annotations


def table(text: str) -> dict[str, tuple[str, ...]]:
    """Read "x:y|z, ..." into {subject: (answer, other spelling, ...)}."""
    rows = (part.split(":") for part in " ".join(text.split()).split(", "))
    return {subject.strip(): tuple(answer.strip().split("|")) for subject, answer in rows}


def words(text: str) -> tuple[str, ...]:
    """Read "a, b, c" into a tuple."""
    return tuple(part.strip() for part in " ".join(text.split()).split(", "))


CAPITALS = table(
    """France:Paris, Italy:Rome, Spain:Madrid, Germany:Berlin, England:London, Ireland:Dublin, Greece:Athens,
    Portugal:Lisbon, Austria:Vienna, Poland:Warsaw, Norway:Oslo, Sweden:Stockholm, Finland:Helsinki,
    Denmark:Copenhagen, Hungary:Budapest, Russia:Moscow, Turkey:Ankara, Egypt:Cairo, Kenya:Nairobi,
    Japan:Tokyo, China:Beijing, India:New Delhi|Delhi, Thailand:Bangkok, Cuba:Havana, Canada:Ottawa,
    Peru:Lima, Chile:Santiago, Argentina:Buenos Aires, Mexico:Mexico City, Australia:Canberra"""
)
CONTINENTS = table(
    """France:Europe, Italy:Europe, Spain:Europe, Germany:Europe, Greece:Europe, Norway:Europe,
    Egypt:Africa, Kenya:Africa, Morocco:Africa, Nigeria:Africa, Japan:Asia, China:Asia, India:Asia,
    Thailand:Asia, Canada:North America, Mexico:North America, Cuba:North America, Peru:South America,
    Chile:South America, Brazil:South America, Argentina:South America"""
)
LANGUAGES = table(
    """France:French, Italy:Italian, Spain:Spanish, Germany:German, England:English, Greece:Greek,
    Portugal:Portuguese, Poland:Polish, Norway:Norwegian, Sweden:Swedish, Finland:Finnish, Denmark:Danish,
    Hungary:Hungarian, Russia:Russian, Turkey:Turkish, Egypt:Arabic, Japan:Japanese, China:Chinese,
    Thailand:Thai, Mexico:Spanish, Brazil:Portuguese, Australia:English"""
)
SOUNDS = table(
    """a dog:barks, a cat:meows, a cow:moos, a sheep:bleats, a horse:neighs, a lion:roars, a duck:quacks,
    a snake:hisses, a bee:buzzes, a frog:croaks, an owl:hoots, a wolf:howls, a mouse:squeaks, a pig:grunts,
    a bird:sings, a hen:clucks"""
)
YOUNG = table(
    """a dog:puppy, a cat:kitten, a cow:calf, a sheep:lamb, a horse:foal, a lion:cub, a duck:duckling,
    a goat:kid, a pig:piglet, a hen:chick, a frog:tadpole, a goose:gosling, a deer:fawn,
    a kangaroo:joey, an owl:owlet, a swan:cygnet"""
)
HOMES = table(
    """a bee:hive, a bird:nest, a spider:web, a dog:kennel, a horse:stable, a lion:den, a rabbit:burrow,
    a fish:water, a pig:sty, an ant:anthill, a hen:coop, a bat:cave"""
)
FOODS = table(
    """a cow:grass, a lion:meat, a rabbit:carrots, a panda:bamboo, a monkey:bananas, a squirrel:nuts,
    a mouse:cheese, a bear:honey, a koala:leaves, a frog:flies, a cat:fish, a hen:grain"""
)
LEGS = table(
    """a dog:four|4, a cat:four|4, a horse:four|4, a bird:two|2, a hen:two|2, a duck:two|2, an ant:six|6,
    a bee:six|6, a beetle:six|6, a spider:eight|8, a snake:no|zero|0|none, a fish:no|zero|0|none"""
)
COLOURS = table(
    """grass:green, the sky:blue, snow:white, coal:black, a lemon:yellow, a tomato:red,
    chocolate:brown, an elephant:grey|gray, a flamingo:pink, an eggplant:purple, a banana:yellow,
    milk:white, blood:red, a frog:green, a crow:black"""
)
OPPOSITES = table(
    """hot:cold, big:small, fast:slow, happy:sad, day:night, up:down, old:young, rich:poor, hard:soft,
    light:dark, open:closed, full:empty, loud:quiet, wet:dry, early:late, clean:dirty, strong:weak,
    near:far, thick:thin, cheap:expensive, high:low, long:short, left:right, first:last"""
)
PLURALS = table(
    """mouse:mice, child:children, foot:feet, tooth:teeth, man:men, woman:women, goose:geese, leaf:leaves,
    knife:knives, city:cities, box:boxes, baby:babies, wolf:wolves, bus:buses, potato:potatoes, cat:cats,
    book:books, tree:trees"""
)
PAST_TENSES = table(
    """go:went, see:saw, eat:ate, run:ran, take:took, write:wrote, buy:bought, sing:sang, swim:swam,
    think:thought, come:came, drink:drank, give:gave, make:made, find:found, speak:spoke, sleep:slept,
    teach:taught, walk:walked, play:played"""
)
SPANISH = table(
    """house:casa, water:agua, friend:amigo, dog:perro, cat:gato, bread:pan, milk:leche, book:libro,
    sun:sol, moon:luna, red:rojo, hand:mano, school:escuela, table:mesa, city:ciudad, night:noche"""
)
FRENCH = table(
    """house:maison, water:eau, friend:ami, dog:chien, cat:chat, milk:lait, book:livre, sun:soleil,
    moon:lune, red:rouge, hand:main, school:ecole, apple:pomme, city:ville, night:nuit, cheese:fromage"""
)
SIDES = table(
    """a triangle:three|3, a square:four|4, a rectangle:four|4, a pentagon:five|5, a hexagon:six|6,
    an octagon:eight|8, a circle:no|zero|0|none"""
)
DAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
MONTHS = words(
    """January, February, March, April, May, June, July, August, September, October, November, December"""
)
SEASONS = words("spring, summer, autumn, winter")
JOB_MAKES = table(
    """a baker:bread, a painter:pictures, a tailor:clothes, a carpenter:furniture, a writer:books,
    a cook:meals, a potter:pots, a shoemaker:shoes, a jeweller:rings, a composer:music"""
)
JOB_PLACES = table(
    """a teacher:school, a doctor:hospital, a farmer:farm, a sailor:ship, a waiter:restaurant,
    a scientist:laboratory, an actor:theatre|theater, a judge:court, a librarian:library, a pilot:plane,
    a gardener:garden, a miner:mine"""
)
SHOPS = table(
    """bread:bakery, meat:butcher, medicine:pharmacy, flowers:florist, books:bookshop|bookstore,
    shoes:shoe shop|shoe store, stamps:post office, fish:fishmonger, toys:toy shop|toy store,
    furniture:furniture shop|furniture store, vegetables:market, rings:jeweller"""
)
TOOL_USES = table(
    """a hammer:nails, a saw:wood, a broom:floor, a needle:sew, a pen:write, a spoon:soup, an umbrella:rain,
    a key:door, a comb:hair, a lamp:light, a camera:photos|pictures, a towel:dry, a ruler:measure,
    a ladder:climb, a clock:time, a fridge:food"""
)
TOOL_PHRASES = {
    "a hammer": "to hit nails", "a saw": "to cut wood", "a broom": "to sweep the floor",
    "a needle": "to sew clothes", "a pen": "to write", "a spoon": "to eat soup",
    "an umbrella": "to stay out of the rain", "a key": "to open a door", "a comb": "to tidy your hair",
    "a lamp": "to give light", "a camera": "to take photos", "a towel": "to dry yourself",
    "a ruler": "to measure things", "a ladder": "to climb up high", "a clock": "to tell the time",
    "a fridge": "to keep food cold",
}  # fmt: skip
SENSES = table(
    """our eyes:see, our ears:hear, our nose:smell, our tongue:taste, our legs:walk, our teeth:chew,
    our lungs:breathe, our brain:think"""
)
MATERIALS = table(
    """a window:glass, a book:paper, a tyre:rubber, a coin:metal, a candle:wax, a sweater:wool,
    a brick:clay, a pot:clay, a bottle:glass, a nail:metal, a newspaper:paper, a jumper:wool,
    a balloon:rubber, a mirror:glass"""
)
PLAYED_BY = table(
    """a drum:hitting, a flute:blowing, a guitar:plucking, a trumpet:blowing, a bell:ringing,
    a harp:plucking, a piano:pressing, a whistle:blowing"""
)
SPORT_THINGS = table(
    """tennis:racket, baseball:bat, golf:club, hockey:stick, archery:bow, fishing:rod, skiing:skis,
    cycling:bike|bicycle, football:ball, chess:board, fencing:sword, surfing:surfboard"""
)
UNITS = table(
    """minutes in an hour:sixty|60, seconds in a minute:sixty|60, hours in a day:twenty-four|24,
    days in a week:seven|7, months in a year:twelve|12, weeks in a month:four|4,
    metres in a kilometre:a thousand|1000|one thousand, centimetres in a metre:a hundred|100|one hundred,
    grams in a kilogram:a thousand|1000|one thousand, cents in a dollar:a hundred|100|one hundred,
    years in a century:a hundred|100|one hundred, years in a decade:ten|10, eggs in a dozen:twelve|12"""
)
TIME_UNITS = words("seconds, minutes, hours, days, weeks, months, years")
DURATIONS = table(
    """boil an egg:six minutes, cook pasta:ten minutes, brew tea:four minutes, charge a phone:two hours,
    walk a kilometre:twelve minutes, fly from London to New York:eight hours, grow a beard:two months,
    learn to swim:ten weeks, read a short story:twenty minutes, build a house:two years,
    sail across the ocean:three weeks, bake a pie:fifty minutes, tie a shoe:eight seconds,
    paint a room:two days, grow an apple tree:five years, wash a car:thirty minutes"""
)
LENGTH_UNITS = words("millimetres, centimetres, metres, kilometres")
HEIGHTS = table(
    """a door:two metres, a giraffe:five metres, a bus:three metres, an oak:twenty metres,
    a house:nine metres, a candle:fifteen centimetres, a cup:nine centimetres, a mushroom:seven centimetres,
    an ant:two millimetres, a mountain:four kilometres, a stool:sixty centimetres, a bottle:twenty-four centimetres,
    a lighthouse:twelve metres"""
)
WEIGHT_UNITS = words("grams, kilograms, tons")
WEIGHTS = table(
    """a cat:four kilograms, a brick:three kilograms, a bike:fifteen kilograms, an elephant:five tons,
    a letter:twenty grams, a coin:eight grams, a watermelon:six kilograms, a truck:ten tons,
    a pencil:five grams, a suitcase:eighteen kilograms, a whale:thirty tons, a spoon:twelve grams,
    a dog:twenty kilograms, a rabbit:two kilograms"""
)
FAMOUS = table(
    """Mozart:a composer, Beethoven:a composer, Chopin:a composer, Picasso:a painter, Monet:a painter,
    Shakespeare:a writer, Dickens:a writer, Tolstoy:a writer, Einstein:a scientist, Newton:a scientist,
    Darwin:a scientist, Galileo:a scientist, Columbus:a sailor, Magellan:a sailor, Napoleon:an emperor,
    Cleopatra:a queen, Plato:a thinker, Socrates:a thinker, Homer:a poet, Goethe:a poet, Gagarin:a pilot,
    Lincoln:a president, Washington:a president, Tesla:an inventor, Edison:an inventor, Pele:a footballer"""
)
CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruits": words("apple, pear, banana, orange, plum, cherry, grape, peach"),
    "vegetables": words("carrot, potato, onion, cabbage, pea, bean, leek, radish"),
    "animals": words("dog, cat, horse, cow, sheep, lion, tiger, rabbit"),
    "birds": words("crow, owl, eagle, duck, swan, robin, parrot, hawk"),
    "tools": words("hammer, saw, drill, wrench, shovel, rake, ladder, ruler"),
    "colours": words("red, blue, green, yellow, black, white, pink, brown"),
    "sports": words("tennis, golf, hockey, football, baseball, skiing, surfing, cycling"),
    "instruments": words("drum, flute, guitar, trumpet, harp, piano, violin, whistle"),
}
SINGULAR = {
    "fruits": "fruit", "vegetables": "vegetable", "animals": "animal", "birds": "bird", "tools": "tool",
    "colours": "colour", "sports": "sport", "instruments": "instrument",
}  # fmt: skip
BY_SIZE = words(
    """an ant, a bee, a mouse, a frog, a rabbit, a cat, a dog, a sheep, a lion, a horse, an elephant, a
    whale"""
)
BY_SPEED = words("a snail, a turtle, a duck, a bike, a bus, a car, a train, a plane, a rocket")
BY_WEIGHT = words("a feather, a coin, an apple, a book, a chair, a table, a car, a truck, a ship")
NUMBERS = words(
    """zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen,
    fifteen, sixteen, seventeen, eighteen, nineteen, twenty, twenty-one, twenty-two, twenty-three,
    twenty-four"""
)

# Each step is (its text, the words by which `gold.py` recognises it).
RECIPES: dict[str, tuple[tuple[str, str], ...]] = {
    "tea": (("boil the water", "boil"), ("put the tea bag in a cup", "tea bag"), ("pour in the hot water", "pour")),
    "coffee": (("boil the water", "boil"), ("put the ground coffee in a filter", "filter"), ("pour the water over it", "pour")),
    "toast": (("cut a slice of bread", "slice"), ("put it in the toaster", "toaster"), ("spread butter on it", "butter")),
    "a sandwich": (("take two slices of bread", "slices"), ("put cheese between them", "cheese"), ("cut it in half", "half")),
    "a salad": (("wash the lettuce", "wash"), ("cut the vegetables", "cut"), ("mix in some oil", "oil")),
    "soup": (("cut the vegetables", "cut"), ("boil them in water", "boil"), ("add some salt", "salt")),
    "pasta": (("boil the water", "boil"), ("cook the pasta for ten minutes", "ten minutes"), ("add the sauce", "sauce")),
    "rice": (("wash the rice", "wash"), ("cook it in water", "cook"), ("let it rest for five minutes", "rest")),
    "an omelette": (("beat two eggs", "beat"), ("pour them in a hot pan", "pan"), ("fold it in half", "fold")),
    "lemonade": (("squeeze two lemons", "squeeze"), ("add sugar", "sugar"), ("fill up with cold water", "cold water")),
    "pancakes": (("mix flour, milk and eggs", "flour"), ("pour some in a hot pan", "pan"), ("turn it over", "turn")),
    "popcorn": (("heat the oil in a pot", "oil"), ("add the corn", "corn"), ("put on the lid and wait", "lid")),
}  # fmt: skip
CHORES: dict[str, tuple[tuple[str, str], ...]] = {
    "wash the dishes": (("fill the sink with warm water", "warm water"), ("add some soap", "soap"), ("rinse and dry them", "rinse")),
    "plant a tree": (("dig a hole", "dig"), ("put the tree in it", "in it"), ("water it well", "water it")),
    "clean a window": (("spray some cleaner on the glass", "spray"), ("wipe it with a cloth", "wipe"), ("dry it with paper", "paper")),
    "make a bed": (("pull the sheet flat", "sheet"), ("put the blanket on top", "blanket"), ("place the pillow at the end", "pillow")),
    "pack a suitcase": (("make a list", "list"), ("fold your clothes", "fold"), ("put the heavy things in first", "heavy")),
    "wrap a gift": (("cut the paper to size", "cut"), ("fold it around the box", "fold"), ("close it with tape", "tape")),
    "send a letter": (("write the address on the envelope", "address"), ("put on a stamp", "stamp"), ("take it to the post office", "post office")),
    "brush my teeth": (("put toothpaste on the brush", "toothpaste"), ("brush for two minutes", "two minutes"), ("rinse your mouth", "rinse")),
    "wash my hands": (("wet your hands", "wet"), ("rub them with soap", "soap"), ("rinse and dry them", "rinse")),
    "change a light bulb": (("turn off the power", "power"), ("take out the old bulb", "old bulb"), ("screw in the new one", "screw in")),
    "iron a shirt": (("heat the iron", "heat"), ("lay the shirt flat", "flat"), ("move the iron slowly over it", "slowly")),
    "feed a cat": (("clean the bowl", "bowl"), ("put in some cat food", "cat food"), ("give it fresh water", "fresh water")),
}  # fmt: skip
# Two tips make a complete answer; `gold.py` recognises a tip by its key.
GOALS: dict[str, tuple[tuple[str, str], ...]] = {
    "sleep better": (("go to bed at the same time every day", "same time"), ("keep the room dark", "dark"), ("avoid coffee at night", "coffee")),
    "save money": (("make a budget", "budget"), ("cook at home", "at home"), ("buy only what you need", "only what")),
    "make new friends": (("join a club", "club"), ("smile and say hello", "hello"), ("listen to people", "listen")),
    "stay healthy": (("eat more vegetables", "vegetables"), ("walk every day", "walk"), ("drink enough water", "water")),
    "learn a language": (("practise every day", "every day"), ("listen to songs", "songs"), ("talk with people who speak it", "talk")),
    "study for a test": (("make a plan", "plan"), ("start early", "early"), ("take short breaks", "breaks")),
    "calm down": (("breathe slowly", "breathe"), ("go for a walk", "walk"), ("listen to soft music", "music")),
    "keep my room tidy": (("put things back after use", "back after"), ("use boxes", "boxes"), ("clean a little every day", "a little")),
    "use less water": (("take short showers", "short showers"), ("close the tap", "tap"), ("wash only full loads", "full loads")),
    "wake up early": (("go to bed earlier", "bed earlier"), ("set an alarm", "alarm"), ("open the curtains", "curtains")),
    "run faster": (("train every week", "every week"), ("warm up first", "warm up"), ("wear good shoes", "shoes")),
    "write better": (("read a lot", "read"), ("write every day", "every day"), ("use short sentences", "short sentences")),
    "get over a cold": (("rest a lot", "rest"), ("drink warm tea", "tea"), ("stay warm", "stay warm")),
    "care for a plant": (("give it enough light", "light"), ("water it once a week", "water it"), ("use good soil", "soil")),
}  # fmt: skip
FEELINGS = words("sad, lonely, tired, nervous, angry, bored, worried, stressed")
COMFORTS = table(
    """sad:talk to a friend, lonely:call someone you like, tired:take a rest, nervous:breathe slowly,
    angry:take a short walk, bored:try a new hobby, worried:share your thoughts with someone you trust,
    stressed:take a short break"""
)
REASONS = words(
    """it is raining, my friend moved away, I had a long day, I have a test tomorrow, I lost my keys,
    my team lost, I have too much work, nobody called me, I missed the bus, my plans changed"""
)
GIFTS = table(
    """reading:a book, cooking:a cookbook, music:a record, drawing:a set of pencils, gardening:a plant,
    cycling:a helmet, tea:a teapot, travel:a map, painting:a set of brushes, chess:a chess board,
    hiking:a backpack, photography:a photo album, fishing:a fishing rod, football:a football"""
)
WEATHER = table(
    """raining:an umbrella, snowing:a warm coat, sunny:a hat, windy:a scarf, very cold:gloves,
    very hot:light clothes, foggy:a bright jacket"""
)
PEOPLE = words(
    """my mother, my father, my sister, my brother, my friend, my teacher, my neighbour, my aunt, my uncle,
    my cousin, my grandmother, my grandfather, my boss, my colleague"""
)
PRESENTS = words(
    """the book, the flowers, the cake, the dinner, the gift, the photo, the tea, the soup, the tickets,
    the scarf, the lesson, the advice, the ride, the card, the plant, the lamp, the bread, the picture,
    the chocolate, the music"""
)
MISHAPS = words(
    """being late, breaking the cup, losing the key, missing the party, forgetting the milk,
    shouting, forgetting your birthday, spilling the coffee, not calling, losing your book,
    waking you up, being rude"""
)
FIRST_NAMES = words(
    """Anna, Ben, Clara, David, Emma, Felix, Grace, Henry, Ida, Jack, Kate, Leo, Mary, Noah, Olivia, Paul,
    Rosa, Sam, Tina, Victor, Wendy, Alice, Bruno, Cora, Daniel, Ella, Frank, Gina, Hugo, Iris, James, Karen,
    Lucas, Mia, Nina, Oscar, Peter, Ruth, Sophie, Tom, Vera, Will, Zoe, Adam, Bella, Carl, Diana, Eric, Fiona,
    George, Hannah, Ivan, Julia, Kevin, Laura, Martin, Nora, Otto, Paula, Robert, Sara, Theo, Ursula,
    Walter"""
)
SENTENCE_WORDS: dict[str, str] = {
    "garden": "My aunt grows roses in her garden.", "river": "We swam in the river last summer.",
    "bridge": "The old bridge leads over the water.", "window": "She looked out of the window at the rain.",
    "letter": "He wrote a long letter to his friend.", "train": "The train to the city leaves at nine.",
    "music": "We listened to music all evening.", "bread": "The smell of fresh bread filled the house.",
    "mountain": "They walked up the mountain in the morning.", "apple": "There is a red apple on the table.",
    "winter": "In winter the lake is full of ice.", "dog": "The dog runs across the field.",
    "school": "The children walk to school together.", "island": "A small island lies far out in the sea.",
    "kitchen": "My father cooks dinner in the kitchen.", "clock": "The clock on the wall has stopped.",
    "forest": "We saw a deer in the forest.", "boat": "The boat moved slowly over the lake.",
    "story": "Grandmother told us a story before bed.", "market": "We buy our fruit at the market.",
}  # fmt: skip
TOPICS = words(
    """quantum physics, the stock market, volcanoes, black holes, the Roman Empire, computer chips, dinosaurs,
    jazz, opera, philosophy, algebra, chemistry, genetics, robots, satellites, earthquakes, glaciers,
    democracy, taxes, insurance, baseball history, ballet, poetry, architecture, engines, batteries,
    electricity, magnets, lasers, rockets, Mars, Jupiter, galaxies, atoms, vaccines, proteins, viruses,
    economics, inflation, the internet, programming, Python, databases, video games, movies, the news,
    politics, religion, fashion, makeup, tattoos, wine, beer, sushi, pizza, tacos, curry, fermentation,
    bitcoin, banks, loans, marketing, elections, the law, contracts, history, wars, kings, queens,
    castles, pyramids, mummies, pirates, vampires, dragons, unicorns, ghosts, magic, astrology, tarot,
    yoga, meditation, marathons, boxing, wrestling, rugby, cricket, sailing, diving, skydiving, climbing,
    photography, sculpture, pottery, knitting, sewing, origami, calligraphy, typography, linguistics, Latin,
    Sanskrit, Hebrew, Esperanto, sign language, psychology, sociology, anthropology, archaeology, geology,
    astronomy, biology, botany, zoology, medicine, surgery, dentistry, nutrition, vitamins, diabetes,
    allergies, cancer, climate change, recycling, solar power, wind power, nuclear power, oil, gas, mining,
    steel, concrete, plastics, paper making, printing, radio, television, telephones, cameras, telescopes"""
)
# Ordinary words that the world has no facts about.
ORDINARY = words(
    """love, time, life, water, money, music, language, science, weather, health, light, energy, freedom, history,
    art, sleep, memory, gravity, rain, fire, colour, sound, number, war, peace, death, dream, happiness, gold,
    sugar, salt, coffee, wine, bread, pizza, stars, moon, oceans, trees, birds, bees, cats, babies, planets, cells,
    blood, bones, brain, heart, fever, pain, work, school, marriage, friends, family, travel, sport, film, books"""
)
SYLLABLES = words(
    """ba, bel, bor, bri, da, del, dor, dra, el, fa, fen, fi, gal, gri, hal, ha, il, jo, ka, kel, kor, la,
    lin, lo, ma, mel, mi, mor, na, nel, no, or, pa, pel, ra, rin, ro, sa, sel, so, ta, tel, tor, tri, u, va,
    vel, vi, wen, za, zel, zor, yan, quin, thor, plu, skar, wim, osh, eck"""
)
ENDINGS = words("n, k, ra, l, x, sk, th, ia, o, a, is, us, ov, ek, in, ard, burg, ton, ley, by")
