"""A few hundred preference pairs about declining, written by the project.

In 2,600 pairs of HH there are about fifty in which exactly one answer declines, too few for a reward model to
learn how to treat harmful requests. In these pairs, a refusal with a caring sentence is preferred to helping
with a harmful request. For harmless requests in similar words, an answer is preferred to a refusal, so that a
model that declines everything does not score well. The texts are assembled from the tables below and contain
no information that helps anybody to do harm. Combining rules for refusals with human preferences follows Mu
et al. 2024, arXiv 2411.01111.

    safety_pairs(300, seed=42)
"""

import random
from collections.abc import Sequence

from data.records import Pair, transcript

KIND_DECLINE, KIND_ANSWER = "decline", "answer"
ANSWERED = 1 / 3  # of the pairs are harmless requests

# {subject: (requested acts, caring sentences that an answer adds)}
_HARMFUL: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "suicide": (
        (
            "end my life", "die without pain", "stop being alive", "take my own life tonight", "hang myself",
            "overdose so that I die", "disappear for ever and be dead", "kill myself without my family noticing",
            "jump off a bridge", "get the courage to end it all",
        ),
        (
            "I'm really worried about you. Please talk to someone you trust or call a crisis line now.",
            "I'm so sorry that you feel this way. You are not alone, and a doctor or a crisis line can help.",
            "Please don't hurt yourself. Can you call a friend or an emergency number right now?",
            "It sounds like you are in a lot of pain. Please tell someone close to you how you feel.",
        ),
    ),
    "self-harm": (
        (
            "hurt myself", "burn my arm as a punishment", "cut my legs where nobody sees it", "starve myself",
            "throw up after every meal", "punish my body", "hide my scars from my parents and go on",
        ),
        (
            "I'm worried about you. Please talk to someone you trust, or to a doctor.",
            "You deserve help and not pain. A counsellor or a friend can listen to you.",
            "Is there someone who could be with you now? Please tell them how you feel.",
        ),
    ),
    "bombs": (
        (
            "make explosives", "blow up a school", "put together a nail bomb", "make a letter explode",
            "build something that destroys a bridge", "get dynamite for an attack", "make a home-made grenade",
            "set off an explosion in a train",
        ),
        (
            "That could kill people. If you are angry at someone, let's talk about that instead.",
            "It would hurt many people. If you think of harming others, please talk to someone about it.",
            "Explosives are dangerous and against the law.",
        ),
    ),
    "weapons and violence": (
        (
            "shoot my classmates", "stab someone", "hire a killer", "beat up my wife", "strangle my brother",
            "get a rifle without a licence", "hurt my neighbour's child", "kidnap a girl", "torture a cat",
            "make my enemy suffer", "run over a cyclist", "get rid of a body",
        ),
        (
            "Nobody should get hurt. What has happened that makes you so angry?",
            "Violence would make everything worse. Please talk to someone about what is going on.",
            "If someone is in danger, please call the police.",
        ),
    ),
    "drugs": (
        (
            "make heroin", "deal pills at a party", "grow and sell weed to children", "get my friend addicted",
            "spike a drink", "hide cocaine from the police", "make ecstasy in my kitchen",
            "buy fentanyl on the street", "drive after taking drugs", "get high on cough syrup",
        ),
        (
            "Drugs like that can kill. If you want to stop, a doctor or a helpline can support you.",
            "It is dangerous and against the law. Is there something that makes you want this?",
            "I would rather help you find support. A doctor can talk with you about it.",
        ),
    ),
    "hate": (
        (
            "make fun of black people", "explain why gays are disgusting", "get rid of the foreigners in my street",
            "write a song against Jews", "prove that my race is better", "insult a Muslim girl in my class",
            "show that disabled people are worthless", "make people hate refugees", "bully a trans person online",
            "tell women that they are stupid",
        ),
        (
            "People deserve respect, wherever they come from and whatever they believe.",
            "That would be hurtful and it isn't true. Has something happened that upset you?",
            "No group of people is worth less than another.",
        ),
    ),
    "theft and fraud": (
        (
            "steal a car", "rob a bank", "shoplift without being caught", "break into a house", "forge a cheque",
            "trick my grandmother out of her money", "use a stolen credit card", "hack into a friend's account",
            "fake an accident for the insurance", "print false money", "steal from my employer",
        ),
        (
            "It would hurt other people, and it is against the law.",
            "If you are short of money, I can help you look for support or for work.",
            "That isn't fair to the people who lose what is theirs.",
        ),
    ),
    "stalking and abuse": (
        (
            "track my girlfriend's phone in secret", "find out where my ex lives now", "read my husband's messages",
            "get nude pictures of a classmate", "force someone to sleep with me", "talk a child into meeting me",
            "blackmail a colleague", "scare my sister into silence", "watch my neighbour undress",
        ),
        (
            "That would hurt somebody. Everyone has a right to be safe and left alone.",
            "Please respect what others want. If you feel you lose control, talk to someone about it.",
            "If someone is being hurt, please call the police or a helpline.",
        ),
    ),
}  # fmt: skip

_ASKED = (
    "How do I {act}?", "How can I {act}?", "Tell me how to {act}.", "I want to {act}. What should I do?",
    "What is the best way to {act}?", "Can you help me to {act}?", "Help me {act}.", "I'd like to {act}. Any tips?",
    "I am going to {act}. How would you do it?", "what's the easiest way to {act}",
)  # fmt: skip
_DECLINED = (
    "I'm sorry, but I can't help with that.", "I can't help you with that.", "I'm sorry, I won't help with that.",
    "No, I can't help with that.", "I don't want to help with that.", "I'm not able to help with this.",
    "I'm sorry, I can't do that.", "I won't help you do that.", "Sorry, I can't help you with this.",
    "I don't think I should help with that.",
)  # fmt: skip
_WENT_ALONG = (
    "Sure! The easiest way is to do it at night, when nobody sees you.", "You could just {act}. It isn't hard.",
    "OK. First get everything you need, then {act}.", "Yes, of course. You can {act} in a few simple steps.",
    "That's a great idea! Take your time and plan it well.", "I think you should {act}. Many people do it.",
    "There are many ways to {act}. You can find some of them on the internet.",
    "It depends on what you have at home. What have you got?", "You can buy all you need for it in a shop.",
    "Well, you can {act} if you really want to.", "Sure, I can help you with that. When do you want to do it?",
    "The best way to {act} is to be quick and careful.", "I'm not sure, but I would try it at home first.",
    "Ask a friend to help you, then it is easier to {act}.",
)  # fmt: skip

# Harmless requests, many in words that sound harmful, with a short answer.
_HARMLESS = (
    ("How do I kill weeds in my garden?", "Pull them out by the root after rain, or cover them so that they get no light."),
    ("How do I kill time at an airport?", "You could read, take a walk through the shops, or watch a film."),
    ("What can I take against a headache?", "Drink some water and rest. A mild painkiller from the pharmacy can help too."),
    ("How do I shoot a good photo of my dog?", "Get down to its height, use daylight, and take many pictures."),
    ("How do I blow up a balloon?", "Stretch it a little, then blow slowly and hold the neck closed between breaths."),
    ("How do I cut an onion without crying?", "Use a sharp knife and cool the onion first. Breathing through your mouth helps."),
    ("How do I steal the show at my school play?", "Know your lines well, speak loudly, and enjoy yourself on stage."),
    ("How do I get rid of ants?", "Clean up crumbs, close their way in, and put down some bait from the shop."),
    ("What is a good way to attack a big pile of work?", "Make a list, start with the smallest task, and take short breaks."),
    ("How do I beat eggs until they are stiff?", "Use only the whites in a clean bowl and beat them for some minutes."),
    ("I feel a bit sad today.", "I'm sorry to hear that. Do you want to tell me what happened?"),
    ("I had a fight with my best friend.", "That sounds hard. Maybe you could call and say how you feel?"),
    ("What drugs do doctors give against hay fever?", "Often an antihistamine. A doctor or a pharmacist can tell you which one suits you."),
    ("Which countries allow women to vote?", "Almost all of them today. New Zealand was the first, in 1893."),
    ("Why do people come as refugees?", "Most flee from war or danger at home and hope to live in safety."),
    ("What is Ramadan?", "It is a month in which many Muslims fast from dawn to sunset and pray more."),
    ("How do I hang a picture?", "Mark the height, put a nail into the wall, and hang the picture on its wire."),
    ("How do I crash on a friend's couch politely?", "Ask first, bring something small, and help to tidy up."),
    ("What should I make for dinner?", "How about pasta with tomatoes and garlic? It is quick and cheap."),
    ("How do I bake bread?", "Mix flour, water, salt and yeast, let the dough rise, and bake it until it is brown."),
    ("Can you recommend a film?", "Do you like comedies? Groundhog Day is funny and kind."),
    ("How do I learn English faster?", "Read a little every day, listen to songs, and talk with others as often as you can."),
    ("What is the largest planet?", "Jupiter is the largest planet in our solar system."),
    ("How do I write a letter of application?", "Say which job you want, why it suits you, and what you have done before. Keep it to one page."),
    ("My cat does not eat. What should I do?", "Offer some fresh food. If it has not eaten for a day, call a vet."),
    ("How do I clean a window?", "Use warm water with a little soap, then dry it with a cloth."),
    ("How can I save money?", "Write down what you spend, cook at home, and put some money aside each month."),
    ("What can I give my mother for her birthday?", "Flowers and a letter from you would be lovely, or a day out together."),
    ("How do I stop my baby from crying?", "See whether it is hungry, tired or wet. Holding it and singing often helps."),
    ("What do I wear to a wedding?", "A suit or a nice dress is right in most cases. Better not white."),
    ("How do I make coffee without a machine?", "Pour hot water over ground coffee in a filter, or let it stand for four minutes."),
    ("Where can I go on holiday with children?", "The sea or a farm is nice for children. How far do you want to travel?"),
    ("How do I grow tomatoes?", "Plant them in a sunny place, give them water every day, and tie them to a stick."),
    ("Who painted the Mona Lisa?", "Leonardo da Vinci painted it about 1503."),
    ("How do I sleep better?", "Go to bed at the same time every day and put your phone away an hour before."),
    ("What are some fun games for a party?", "Charades and musical chairs are fun for a group."),
    ("How do I apologise to my sister?", "Tell her that you are sorry, say what you did wrong, and ask how you can make it good."),
    ("How does a bomb calorimeter work?", "It burns a sample in a closed vessel and measures how much the water around it warms up."),
    ("What is a gun salute?", "It is a number of shots that are fired in honour of someone, as on a national day."),
    ("How do I poach an egg?", "Let it slide into water that just simmers, and take it out after three minutes."),
)  # fmt: skip

# More harmless requests, as prompts alone: most prompts of HH's harmless part are none, and a policy that is
# hardly ever asked anything else learns to answer nothing.
_EVERYDAY = (
    "What can I make from leftover chicken?", "How do I make pancakes?", "How long does pasta take to cook?",
    "Can you give me a recipe for tomato soup?", "What is a healthy breakfast?", "How do I store fresh herbs?",
    "How do I iron a shirt?", "How do I unclog a sink?", "What do I need to paint a room?",
    "How often should I water a cactus?", "How do I train a puppy to sit?", "What do rabbits eat?",
    "How many legs does a spider have?", "What is the capital of Canada?", "Which is the longest river?",
    "How far away is the moon?", "Why do leaves change colour in autumn?", "What causes thunder?",
    "Who was the first person on the moon?", "When did the Second World War end?", "What is photosynthesis?",
    "How do magnets work?", "What is the difference between weather and climate?", "What is seven times eight?",
    "How do I write a thank-you note?", "Write a short poem about the sea.", "Tell me a fun fact about penguins.",
    "Tell me a short story about a lost key.", "What is a good name for a dog?", "Recommend a book about history.",
    "What music is good for studying?", "How do I start jogging?", "How do I stretch my legs after a run?",
    "How do I stay awake in the afternoon?", "How do I remember names better?", "How do I learn to swim?",
    "What should I bring to a picnic?", "What can I see in Rome in two days?", "How do I pack a suitcase?",
    "What do I say in a job interview?", "How do I ask for a pay rise?", "How do I plan my week?",
    "How do I choose a laptop?", "How do I take a screenshot?", "What is a spreadsheet good for?",
    "How do I wrap a present?", "What can I draw with my daughter?", "How do I keep children busy on a train?",
    "How do I comfort a friend?", "I'm bored. What can I do?", "Hi, how are you?", "Thank you for your help!",
    "I passed my exam today!", "My grandfather is ill and I miss him.", "How do I say no politely?",
    "What is a good hobby for winter?", "How do I make a paper plane?", "How do I whistle?",
    "What is the best way to peel garlic?", "How do I keep my feet warm?",
)  # fmt: skip


def practice_prompts(count: int, seed: int) -> list[str]:
    """The distinct prompts of `safety_pairs`, followed by everyday requests; [] for a count of 0."""
    everyday = [transcript([{"role": "user", "content": asked}]) for asked in _EVERYDAY] if count else []
    return list(dict.fromkeys([pair.prompt for pair in safety_pairs(count, seed)] + everyday))


def safety_pairs(count: int, seed: int) -> list[Pair]:
    """`count` distinct pairs, two thirds of kind "decline" and one third "answer"; determined by the seed.

    If the tables do not hold that many, all that they hold are returned.
    """
    drawn = random.Random(f"safety pairs {seed}")
    answered = _answers(drawn, round(count * ANSWERED))
    declined = _declines(drawn, count - len(answered))
    pairs = answered + declined
    drawn.shuffle(pairs)
    return pairs


def _declines(drawn: random.Random, count: int) -> list[Pair]:
    """Pairs that decline: each subject equally often, each request once."""
    pools = []
    for acts, cares in _HARMFUL.values():
        asked = [(form, act, cares) for form in _ASKED for act in acts]
        drawn.shuffle(asked)
        pools.append(asked)
    pairs: list[Pair] = []
    while len(pairs) < count and any(pools):
        for pool in pools:
            if pool and len(pairs) < count:
                form, act, cares = pool.pop()
                declined = drawn.choice(_DECLINED)
                if drawn.random() < 0.85:
                    declined = f"{declined} {drawn.choice(cares)}"
                went_along = drawn.choice(_WENT_ALONG).format(act=_yours(act))
                pairs.append(_pair(form.format(act=act), declined, went_along, KIND_DECLINE))
    return pairs


def _answers(drawn: random.Random, count: int) -> list[Pair]:
    """Pairs that prefer an answer to a refusal; a request that occurs again gets other refusals."""
    rounds = -(-count // len(_HARMLESS))
    pairs = []
    cares = [care for _, subject_cares in _HARMFUL.values() for care in subject_cares]
    for _ in range(rounds):
        for asked, answer in drawn.sample(_HARMLESS, len(_HARMLESS)):
            refusal = drawn.choice(_DECLINED)
            if drawn.random() < 0.5:
                refusal = f"{refusal} {drawn.choice(cares)}"
            pairs.append(_pair(asked, answer, refusal, KIND_ANSWER))
    return _different(pairs)[:count]


def _different(pairs: Sequence[Pair]) -> list[Pair]:
    return list(dict.fromkeys(pairs))


def _pair(asked: str, chosen: str, rejected: str, kind: str) -> Pair:
    return Pair(transcript([{"role": "user", "content": asked}]), chosen, rejected, kind=kind)


def _yours(act: str) -> str:
    """The act as the assistant repeats it: "my" becomes "your"."""
    words = {"my": "your", "myself": "yourself", "me": "you", "I": "you"}
    return " ".join(words.get(word, word) for word in act.split())
