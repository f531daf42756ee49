"""How English speakers ask: wordings of each operation, of references and of frames around them.

Notation: `(a|b)` picks one, `[a]` is there or not, `{x}` is the reference to the argument, other
names in braces are filled by `starter.requests`. The first letter says what a wording is: v verb
phrase, n noun phrase that is wanted, q question, s a whole sentence. More of all of them stand in
`starter.requests_en_more` and `starter.requests_en_frames`.
"""

from starter import requests_en_frames as more
from starter.requests_en_more import grown

REFS = {
    "image": "picture|image|photo|pic|photograph|drawing|snapshot|shot|img|painting|icon|illustration|graphic|sketch|screenshot|figure|artwork|scan|portrait|picture|image|photo|picture|image",
    "audio": "sound|audio|recording|audio clip|voice note|voice memo|audio file|voice message|track|noise|sound file|sample|voice|song|tune|sound clip|audio track|sound|audio|recording",
    "video": "video|clip|movie|film|footage|video clip|video file|video|animation|recording|video",
}  # fmt: skip
DEFINITE = (
    "the {n}|the {n}|the {n}|this {n}|that {n}|my {n}|the attached {n}|the {n} (i|I) (sent|attached|uploaded|gave you)|"
    "the {n} above|the enclosed {n}|the uploaded {n}|the {n} here|our {n}|the given {n}|this {n} (here|of mine)|{n}"
)
PRONOUNS = "it|this|that|it|this one|the file|the attachment|the attached file|this file|it"
RESULTS = {
    "image": "it|it|that|the result|the (new|resulting|finished|final) (picture|image|drawing)|your (drawing|picture|image|painting|creation|sketch)|the (drawing|picture|image)|what you (drew|made)|the output|this",
    "audio": "it|it|that|the result|the (new|resulting|spoken) (sound|audio|recording|speech)|your (recording|voice|speech)|the (audio|sound|speech|recording)|the output|this",
    "video": "it|it|that|the result|the (new|resulting) (video|clip)|the (video|clip|film)|the output",
    "text": "it|it|that|the description|your (description|answer|words|findings)|the text|the result|what you (see|found|find out)|the answer",
}  # fmt: skip
ORDINALS = (
    "first|1st|top|initial",
    "second|2nd",
    "third|3rd",
    "fourth|4th",
    "fifth|5th",
)
ORDINAL_FORMS = (
    "the {o} {n}|the {o} {n}|the {o} one|the {o}|my {o} {n}|{n} (number|no.|nr|#)[ ]{k}|{n} {k}|the {o} of the {n}s|"
    "(number|no.) {k}|the {o} file|the {o} {n} only|{n} {w}"
)
NUMBER_WORDS = ("one", "two", "three", "four", "five")
LAST_FORMS = "the last {n}|the last one|the final {n}|the last of (them|the {n}s)|the last|the {n} at the end"
MIDDLE_FORMS = "the middle {n}|the one in the middle|the middle one|the {n} in the middle"
NEWEST_FORMS = "the (newest|latest|most recent|last) {n}|the (newest|latest) one|the {n} (you just made|from just now)"
PAIR = "both|both {n}s|both of them|the two {n}s|these two|these [two] {n}s|the {n}s|them|the two|each {n}|each of them|each|my {n}s|these|the pair|either {n}"
GROUP = "all {n}s|all of them|all (the|these|my) {n}s|the {n}s|these {n}s|them all|every {n}|each {n}|every one of (them|these)|them|all (three|of these)|each|everything|the whole lot|the {w} {n}s|each one"
MIXED = "both|both files|both of them|each|them|each file|the two files|everything|all|all files|each of them|the {n1} and the {n2}|the {n1} and the {n2}|(this|my) {n1} and (this|that|my) {n2}|{n1} and {n2}|the {n2} and the {n1}|the {n1} as well as the {n2}"

WRAP_V = (
    "{v}|{v}|{v}|{v}|please {v}|{v} please|{v}, please|(could|can|would|will) you [please|kindly] {v}?|(could|can) you {v}[?]|"
    "I (want|need) you to {v}|I'd like you to {v}|I would like you to {v}|would you mind and {v}?|let's {v}|kindly {v}|pls {v}|{v} pls|{v} plz|"
    "go ahead and {v}|{v} for me|{v} for me, please|just {v}|[now] {v}|(help|let) me {v}|you should {v}|try to {v}|"
    "I was hoping you (could|would|might) {v}|is it possible to {v}?|your (task|job): {v}|I need to {v}|I want to {v}|we need to {v}|"
    "might you {v}?|any chance you could {v}?|do me a favour and {v}|I'd be (glad|happy|grateful) if you (could|would) {v}|"
    "can u {v}|could u {v}[?]|quickly {v}|simply {v}|be so kind and {v}|would it be possible to {v}?|how about you {v}|{v} thanks|{v}, thanks"
)
WRAP_N = (
    "{n}|{n} please|{n}, please|(give|show|send|get|bring) me {n}|I (need|want) {n}|I'd (like|love) [to have|to see|to get] {n}|"
    "(can|could|may) I (have|get|see) {n}?|we need {n}|make [me] {n}|(produce|create|generate|prepare|provide|deliver) {n}|"
    "please (make|create|give me|send|produce) {n}|(can|could) you (make|create|give me|produce|do|get me|generate) {n}[?]|"
    "I'm looking for {n}|let me (have|see|get) {n}|{n} would be (nice|great|good)|what about {n}?|how about {n}[?]|"
    "I would (like|love) {n}|do {n}|hand me {n}|{n}, thanks|I could use {n}|is there a way to get {n}?|my (son|boss|sister|friend) (wants|needs) {n}"
)
FRONT = "hi|hello|hey|hey there|good morning|ok|okay|alright|so|hi Medley|dear Medley|well|hmm|now|great|nice|thanks|cool|good|sorry|yo|excuse me|one more thing|quick question|perfect"
BACK = "thanks!|thank you|thank you!|thanks a lot|thx|cheers|please|that would be great|I need it soon|much appreciated|no rush|if you can|it's urgent|ok?|right now|it's for school|for my (project|homework|blog|website|party)"
CHATTER = (
    "I took this on holiday|I found this yesterday|my friend sent me this|I am not sure about this|I have a question|"
    "here is something for you|see the attachment|I have attached {a}|this is for work|we are preparing a party|"
    "I like drawings|my daughter is curious|I am bored|have a look|listen to this|it is for a friend|I'm making a poster|take your time"
)

THEN = (
    ". Then {c}|. Then {c}|, then {c}|, then {c}| and then {c}| and then {c}| and {c}| and {c}| and {c}|. After that, {c}|, and also {c}|. Also {c}|. Also, {c}|"
    "; {c}|; then {c}|. Next, {c}|. Finally, {c}|, afterwards {c}|. {c}|. {c}|, {c}|. And {c}|, plus {c}| & {c}|, next {c}|. Afterwards {c}|. Once done, {c}| followed by this: {c}|"
    "\n{c}|. When (that's|you are) done, {c}|. In addition, {c}|, as well as {c}|. With that, {c}|. Separately, {c}|. Subsequently {c}|, and finally {c}|, and after that {c}|. Oh, and {c}|, and {c}|, and {c}"
)
FIRST = "first {c}|first, {c}|1. {c}|start with this: {c}|to begin with, {c}|step one: {c}|- {c}|first of all {c}|to start, {c}"
QUESTION_AND = ", and {c}| and {c}|? And {c}|? {c}|; {c}|, {c}| plus {c}|? Also, {c}|? And also {c}"

IGNORE = (
    "ignore (the attachment|the files|{a})|never mind {a}|don't use {a}|without using {a}|you can ignore {a}|leave {a} (alone|as it is)|"
    "{a} (does not|doesn't) matter|{a} is not important|do not bother with {a}|not {a}|skip {a}|disregard {a}|forget {a}"
)

T2I_V = (
    "(draw|paint|sketch|illustrate|depict) {t}|draw me {t}|(draw|paint|sketch) {t}|"
    "(draw|make|create|generate|paint|produce|render|design|do) [me|us] (a|an|the|some|one) [nice|small|new|quick|little|beautiful|simple] "
    "(picture|image|drawing|painting|illustration|photo|pic|sketch|artwork|icon|graphic|poster|cartoon) (of|showing|with|that shows|depicting) {t}|"
    "show me {t}|show me (a|the) (picture|drawing|image|painting) of {t}|visualise {t}|visualize {t}|(generate|create|render|make|imagine|design) {t}|put {t} on (paper|canvas)|"
    "turn (these|the|my) words (into|to) (a picture|an image): {t}|illustrate {t} for (us|me)|picture {t}|use your (brush|pencil) to (draw|paint) {t}|"
    "(make|create) a picture in which there is {t}|give {t} a shape|doodle {t}|draw something: {t}|draw this: {t}|paint this scene: {t}|draw a scene with {t}|"
    "make [me] a (drawing|picture|painting): {t}|come up with a (picture|drawing) of {t}|let me look at {t}"
)
T2I_N = (
    "(a|an|one|some) [nice|small|new|quick|little|beautiful|cute|simple] (picture|image|drawing|painting|illustration|photo|pic|sketch|icon|graphic|img|logo|sticker|portrait|cartoon|rendering) "
    "(of|with|showing|featuring|that shows|depicting|containing) {t}|a picture: {t}|{t} (in a picture|as a picture|as a drawing|on a picture|as a painting|as art|as a cartoon)|"
    "pictures of {t}|an image where we see {t}|artwork with {t}|something visual: {t}|{t}, drawn|{t}, painted|a painted {nd}|a drawn {nd}"
)
T2I_S = (
    "(image|picture|drawing|painting|photo|illustration|draw|paint) of {t}|(picture|image|drawing|draw|paint|generate|prompt|new picture|illustration|scene): {t}|how (does|would|might|do) {t} look? (draw|show|paint) it|"
    "I (want|wish|would like) to (see|look at) {t}|I have never seen {t}, draw it for me|{t} - (draw|paint|sketch) that|(draw|sketch|paint) {t} [right] now|"
    'what (does|would) {t} look like? (Draw|Show me|Paint|Sketch) (it|that|one)|can I see {t}?|(imagine|think of) {t} and (draw|paint) (it|that)|do you know {t}? draw (it|one)|"{t}" as a picture|(draw|paint) "{t}"|'
    "my (son|daughter|mother|dog) loves {t}, (draw|paint) (it|one)"
)

OPS: dict[str, str] = {
    "describe.image": (
        "q what (is|do you see|can you see|can be seen|is shown|is depicted|is visible|is there) (in|on) {x}|q what's (in|on) {x}|q what (does|do) {x} show|q what {x} (shows|is about)|v describe {x}|v tell me what (is|you see|can be seen|is shown) (in|on) {x}|"
        "v explain {x}|v (say|tell me) what {x} (is|shows|depicts|shows us)|q which (object|thing|animal|item|fruit|vehicle) (is|do you see) (in|on) {x}|v look at {x} and (describe|explain) it|v identify what is (in|on) {x}|"
        "v have a look at {x} and tell me what you see|q what am I looking at (in|on) {x}|q what kind of (thing|animal|object|food) is (in|on) {x}|q what is {x}|q what is {x} of|q what's this|q what do you see [here]|q what is this|"
        "v recognise the (thing|object) (in|on) {x}|v give me a description of {x}|n a description of {x}|n a (short|brief|detailed) description of {x}|n an explanation of {x}|v summarise {x}|v put {x} into words|n the content of {x}|"
        "q who or what is (in|on) {x}|q is there (a|an) {nd} (in|on) {x}|q can you see what {x} shows|v inspect {x}|v analyse {x}|v tell me about {x}|v tell me something about {x}|v name the (object|thing|animal) (in|on) {x}|v check what is (in|on) {x}|"
        "q what colour is the (thing|object) (in|on) {x}|q do you (know|recognise) what is (in|on) {x}|v list what you see (in|on) {x}|q what does {x} depict|q what might {x} be|v read {x} for me|v interpret {x}|q what (animal|object|thing) is (it|this|that)|q what do we have here (in|on) {x}|v write an alt text for {x}|v describe for me what {x} shows|v comment on {x}|"
        "v figure out what {x} shows|v find out what is (in|on) {x}|q (how would|can) you describe {x}|v make out what is (in|on) {x}|v view {x} and report|q I wonder what {x} shows|v guess what is (in|on) {x}|q what's that (thing|object) (in|on) {x}|q (could|can) you say what {x} is|v report what you see (in|on) {x}"
    ),
    "describe.audio": (
        "q what (do|can) you hear|q what (do|can) you hear in {x}|q what is (said|being said|spoken|to be heard|the word) in {x}|q what (word|sound|thing|name) (is|do you hear) in {x}|q what (does|do) {x} say|q what {x} says|v tell me what (you hear|is said|is being said|someone says) in {x}|"
        "v tell me what {x} (is|says)|v listen to {x} and (tell me|say|describe) what (you hear|it is|it says)|v describe {x}|v explain {x}|q which word (is said|do you hear|is spoken) in {x}|q which word is this|q what is {x}|v transcribe {x}|v write down what {x} says|"
        "q what's (in|on) {x}|q what is {x} about|v say what is (in|on) {x}|v describe what you hear in {x}|v understand {x}|n a transcript of {x}|n a description of {x}|q what (did|does) (he|she|they|the person|the speaker|the voice) say in {x}|q what (did|does) (he|she|the speaker|the voice) say|"
        "v recognise the word in {x}|v identify {x}|q which sound is (it|this|that)|q what kind of (sound|noise) is {x}|v tell me about {x}|q what do I hear in {x}|q can you hear what is said in {x}|v put {x} into words|v listen to {x}|v have a listen to {x} and report|v summarise {x}|v name what you hear in {x}|q what was said|q what was said in {x}|"
        "v interpret {x}|q do you (understand|know|recognise) what {x} says|v spell out what is said in {x}|v check what is said in {x}|v figure out what {x} says|v decode {x}|q what is (he|she) talking about in {x}|v give me {x} in writing|n the content of {x}|n the words spoken in {x}|v find out what is said in {x}|q I wonder what {x} says|v report what you hear in {x}|q what is audible in {x}|v read off what {x} says|q can you make out the words in {x}"
    ),
    "describe.video": (
        "q what (happens|is going on|is shown|do you see|can be seen|goes on|is there) in {x}|v describe {x}|v tell me what happens in {x}|v summarise {x}|q what is {x} about|v watch {x} and (describe|explain|summarise) it|v explain {x}|q what (does|do) {x} show|v watch {x} and tell me what you see|"
        "n a summary of {x}|n a description of {x}|v tell me what {x} (shows|is about)|q what's in {x}|q what is in {x}|v tell me about {x}|v view {x} and report|v put {x} into words|n the story of {x}|v recap {x}|q who or what is in {x}|v analyse {x}|q what am I watching in {x}|v look at {x} and tell me what you see|n the content of {x}"
    ),
    "e2i.audio": (
        "v draw what you hear|v draw what you hear in {x}|v (draw|paint|sketch|illustrate|depict) what (is said|is being said|you hear|someone says|is spoken) in {x}|v (draw|paint|sketch|illustrate|visualise|depict) {x}|v turn {x} into (a picture|an image|a drawing|a painting)|v make (a picture|an image|a drawing) (of|from|out of) {x}|"
        "v convert {x} (to|into) (a picture|an image|a drawing)|n (a picture|an image|a drawing|a painting) of what (you hear|is said) in {x}|n (a picture|an image|a drawing|an illustration) (of|from|for|based on|inspired by) {x}|v listen to {x} and (draw|paint|sketch) (it|what you hear)|v (draw|paint|show me) the thing (that|which) is (named|said|mentioned|spoken) in {x}|"
        "v create (artwork|a picture|an image) (from|based on|that fits|matching) {x}|v show me what {x} (looks like|means)|v generate (a picture|an image) from {x}|v (draw|paint) the word (from|in|of) {x}|v (draw|paint|show) what {x} (says|means|is about|names)|n {x} as (a picture|a drawing|an image)|v use {x} to (draw|make) (a picture|something)|v let {x} inspire a (drawing|picture)|"
        "v (draw|paint|sketch) what (he|she|the voice|the speaker) says|v (draw|paint|sketch) the sound|v see what {x} says and draw it|v (draw|paint|sketch) what I (say|said) in {x}|v transform {x} into (art|a picture|an image)|v imagine {x} as a picture|v (draw|paint|sketch) what was said|q what would {x} look like|q how would {x} look as a picture|v make {x} visible|v put {x} on canvas|v picture {x}|v (illustrate|paint|sketch) what you hear"
    ),
    "e2i.image": (
        "v (draw|paint|sketch) {x} (again|once more|anew|afresh|a second time)|v redraw {x}|v repaint {x}|v (make|create|draw|generate|produce) (a|another|a new|one more) (variation|version|variant|copy|remake) of {x}|n (a|another|a new|one more) (variation|version|variant|rendition|interpretation) of {x}|v draw (the same|something like|something similar to) {x}|"
        "v draw (a similar|the same) (thing|picture|object) as in {x}|v vary {x}|v (make|draw|create) a new picture (like|from|based on|similar to) {x}|v draw {x} in your own (style|way)|v recreate {x}|v remake {x}|v draw what you see (in|on) {x}|v paint what is (in|on) {x}|v draw what is (in|on) {x}|v reproduce {x}|v draw the (thing|object|animal) (in|from) {x}[ once more| again]|v reinterpret {x}|v copy {x} by hand|v generate a picture from {x}|v use {x} as inspiration for a new (picture|drawing)|n something similar to {x}, freshly drawn|v draw me (one|something) like {x}|v draw another one like {x}|n a drawing (of|after|from) {x}|n a sketch of what {x} shows|v turn {x} into (a drawing|a sketch|a painting)|v sketch {x}|v draw {x}|v make your own version of {x}|v redo {x}|v paint {x} from scratch"
    ),
    "e2i.video": (
        "v (draw|paint|sketch|illustrate|visualise) {x}|v (draw|paint|sketch) what {x} (shows|is about)|v make (a picture|an image|a drawing) (of|from|out of) {x}|v (draw|paint) what (happens|you see|is) in {x}|v turn {x} into (a picture|an image|a drawing|a painting|a poster)|n (a picture|a drawing|an illustration|a poster) (of|for|based on) {x}|v watch {x} and (draw|paint) (it|what you see)|v capture {x} in a drawing|v make a poster for {x}|v summarise {x} in (a drawing|one picture)"
    ),
    "embed": (
        "v embed {x}|n the (embedding|vector|embedding vector|feature vector) (of|for|from) {x}|v (compute|calculate|get|give me|extract|return|determine|find) the (embedding|vector|features|embedding vector) (of|for) {x}|v encode {x}[ as a vector| into a vector]|v turn {x} into (a vector|an embedding)|q what is the (embedding|vector) of {x}|v put {x} into the (shared|embedding|vector) space|v map {x} to a vector|v vectorise {x}|v represent {x} as a vector|v convert {x} to an embedding|v run the encoder on {x}"
    ),
    "embed_text": (
        "v embed (the word|the words|the phrase|the text|the sentence|the term) [\"]{t}[\"]|n the (embedding|vector) (of|for) (the word|the words|the phrase|the text|the sentence) [\"]{t}[\"]|v (compute|get|calculate|give me) the (embedding|vector) (of|for) \"{t}\"|v turn the (word|words|text|phrase) [\"]{t}[\"] into (a vector|an embedding)|v encode (the text|the words|the sentence|the word) [\"]{t}[\"]|v embed \"{t}\"|q what is the (vector|embedding) of \"{t}\"|v represent the words \"{t}\" as an embedding"
    ),
    "search": (
        "v find [me] [some|more] [other] {mm} (like|similar to|that look like|resembling|that resemble|close to|related to|that match|matching|that go with|that fit) {x}|v search [for] [other] {mm} (like|similar to|matching|related to) {x}|v search with {x}|v look for (similar|related|matching) {mm} to {x}|q (do I have|are there|have I got|is there) (anything|something|any {mm}|more) (like|similar to|that fits|that matches|close to|resembling|related to) {x}|"
        "v search my (library|files|collection|archive|assets|gallery|history) for [{mm}] [things] (like|similar to|matching) {x}|v find similar {mm} to {x}|v show me {mm} (like|similar to|that fit|that go with) {x}|q which [of my] {mm} (is|are|looks|look|sounds) (most similar|closest|nearest|most alike|similar) to {x}|v (find|get|list|retrieve) the {mm} (closest|nearest|most similar) to {x}|n [more] {mm} (like|similar to) {x}|v use {x} to search (my library|for {mm}|the archive|my files)|v find (its|the) nearest neighbours of {x}|v look up {mm} (like|similar to) {x}|v find matches for {x}|v find what (matches|fits|goes with) {x}[ in my library]|q what (do I have|is there) that (looks|sounds|is) like {x}|v hunt for {mm} like {x}|v see whether I have {mm} like {x}|n the {mm} that match {x} best|v browse my files for {mm} like {x}|v find earlier {mm} (like|similar to) {x}|v search by {x}|v retrieve {mm} (like|related to) {x}|v find more like {x}"
    ),
    "search_text": (
        "v (find|search for|look for|look up|get|show me|hunt for|retrieve|locate|fetch|list) [me] [my] [all|some|any|old|earlier|the] {mm} (of|with|showing|about|that show|containing) {t}|q (do I have|are there|have I got|did I upload|did I ever make|do we have) [any|some] {mm} (of|with|showing|about|that show) {t}|v search my (library|files|collection|archive|assets|gallery) for {t}|v search for {t}|v find {t} in my (library|files|archive|collection|pictures|assets)|v look for {t} (among|in) (my files|the archive|my pictures|my library|what we have)|q where (is|are) [the|my|that|those] {mm} (of|with|about) {t}|q (where is|which is) the {m1} (of|with|about) {t}|n [all] my [old|earlier] {mm} (of|with|about) {t} from the (library|archive)|"
        "s search: {t}|s (library|archive) search: {t}|q which [of my] {mm} show {t}|v check whether I have {mm} (of|with) {t}|v query the (library|archive) for {t}|q is there [any] {m1} (of|with|about) {t} (among my files|in my library|somewhere|in the archive|in my collection)|q what do I have about {t}|v go through my (files|library|archive) and find {t}|v look up {t}|v search the (archive|assets|collection) for {t}|v bring up my {mm} of {t}"
    ),
    "speak": (
        "v say [\"]{u}[\"]|v say \"{u}\"|v say {u} (aloud|out loud|loudly)|v say: {u}|v speak [the words|the sentence|the text] [\"]{u}[\"]|v read (aloud|out loud|out) [the text|the sentence|the words]: {u}|v read [\"]{u}[\"] (aloud|out loud|to me)|v pronounce [the word|the words] [\"]{u}[\"]|v (make|create|generate|produce|record) (a recording|an audio file|a sound file|an audio|speech|a voice message|a voice clip|a clip) (of|that says|saying|with the words|with the text) [\"]{u}[\"]|n (a recording|an audio file|a voice message|a spoken version|a voice clip|an audio clip|speech|audio) (of|that says|saying|with the words|with the text) [\"]{u}[\"]|v tell (us|me|everyone) aloud: {u}|v (turn|convert) (the text|the words|this text|the sentence) [\"]{u}[\"] (into|to) (speech|audio|sound|a voice)|s text to speech: {u}|s say: {u}|s speak: {u}|s (read|speak|say) this [aloud|out loud]: {u}|s voice: {u}|s audio: {u}|"
        "v use your voice to say {u}|v let me hear [the words|the sentence|how you say] [\"]{u}[\"]|v voice [the words|the sentence] \"{u}\"|q how do you (say|pronounce) [\"]{u}[\"]|q how is \"{u}\" pronounced|v record [the words|the sentence] [\"]{u}[\"]|v announce [\"]{u}[\"]|v speak out: {u}|v narrate [\"]{u}[\"]|v synthesise [the words] [\"]{u}[\"]|v greet us by saying {u}|v let me hear your voice: {u}|v shout [\"]{u}[\"]|v whisper [\"]{u}[\"]|v speak the (word|words|sentence|phrase) {u}|v say the (word|words|sentence|phrase) {u}|v say [very] (slowly|quickly): {u}|v speak (slowly|fast): {u}"
    ),
    "speak_from": (
        "v (read|say|speak|tell) {y} (aloud|out loud|out|to me)|v read {y} (aloud|out|out loud|to me)|v (turn|convert|make) {y} (into|to) (speech|audio|a recording|sound|a voice message)|v say {y}|v speak {y}|v let me hear {y}|v record {y}|n {y} (as|in) (audio|speech|spoken words|a recording)|v voice {y}|v narrate {y}|v give me {y} as audio|v pronounce {y}"
    ),
    "caption": (
        "v (write|put|add|print|place|stick|paste|set|draw) [the words|the text|the caption|the title|a caption that says|the line] [\"]{u}[\"] (on|onto|on top of|below|under|at the bottom of|at the top of|at the top of|over|underneath) {x}|v (write|put|add|print) \"{u}\" (on|onto|over|to) {x}|v caption {x} with [the words] [\"]{u}[\"]|v (add|put) (a caption|text|a title|a line of text|a label|lettering) (to|on) {x}[:| saying| that says|, namely] [\"]{u}[\"]|v label {x} [with|as] [\"]{u}[\"]|v give {x} (the caption|the title|the text|the words) [\"]{u}[\"]|v title {x} [\"]{u}[\"]|v overlay {x} with [the text] [\"]{u}[\"]|n {x} with [the words|the text|the caption] [\"]{u}[\"] (on it|below|at the top|at the bottom)|v let {x} say [\"]{u}[\"]|v inscribe {x} with [\"]{u}[\"]|v make {x} read [\"]{u}[\"]|v have [the words] [\"]{u}[\"] (written|printed) on {x}|v turn {x} into a meme that says [\"]{u}[\"]|v (write|put|add) [the words|the text] [\"]{u}[\"] (on|under|over|above|below) {x}"
    ),
    "caption_from": (
        "v (write|put|add|print|place) {y} (on|onto|under|below|over|at the bottom of) {x}|v caption {x} with {y}|v use {y} as (a|the) caption (of|for|on) {x}|v label {x} with {y}|v (add|put) {y} (to|on) {x} as (text|a caption)|v overlay {x} with {y}|v write {y} onto {x}|n {x} with {y} written on it"
    ),
    "resize": (
        "v (resize|scale|rescale|change) {x} to {size}|v make {x} {size}|v (resize|scale) {x} (by|with) a factor of {f}|v make {x} {fw} [as big|as large]|v {fv} {x}|v {fv} the size of {x}|v (shrink|reduce|downscale|scale down|downsize) {x}[ to {fs}]|v (enlarge|upscale|scale up|blow up|magnify) {x}[ {fb}]|v make {x} (smaller|tinier|bigger|larger|tiny|huge|more compact)|v make {x} a (bit|little|lot) (smaller|bigger|larger)|n {x} (at|in|with a size of) {size}|n a (smaller|bigger|larger) version of {x}|v bring {x} to {size}|v get {x} (down|up) to {size}|q can you make {x} {size}|v I need {x} (at|in|with) {size}|n {x} (smaller|bigger|larger)|v fit {x} into {size}|n a thumbnail of {x}|v reduce {x} to {fs} [of its size]|v (increase|change|decrease) the (size|width|resolution) of {x} to {size}|v set {x} to {size}|v (adjust|correct) {x} to {size}|v (increase|reduce) the size of {x}"
    ),
    "crop": (
        "v crop {x} to [the] {side}|v crop [out] the {side} of {x}|v cut [out] the {side} of {x}|v keep [only] the {side} of {x}|v take [only] the {side} of {x}|n [only|just] the {side} of {x}|v (cut|crop|chop|trim|remove|take) (off|away) the {anti} of {x}|v extract the {side} (of|from) {x}|v remove the {anti} (of|from) {x}|v show me [only] the {side} of {x}|v crop {x}|v crop {x} so that [only] the {side} (remains|is left|stays)|v leave only the {side} of {x}|v reduce {x} to (its|the) {side}|v get rid of the {anti} of {x}|v delete the {anti} of {x}|v I need [just|only] the {side} of {x}|v zoom in on the {side} of {x}|v snip out the {side} of {x}"
    ),
    "rotate": (
        "v (rotate|turn) {x} (by {deg}|{deg}|{way})|v (rotate|turn) {x}|v turn {x} {way}|v (spin|tilt|swivel|pivot) {x} [by] {deg}|v flip {x} upside down|n {x} (rotated|turned) [by] {deg}|n {x} upside down|v put {x} upside down|v give {x} a (half|quarter|180 degree|90 degree) turn|v rotate {x} (clockwise|counterclockwise|to the left|to the right|anticlockwise)[ by {deg}]|v turn {x} {deg} (clockwise|counterclockwise|to the right|to the left)|v make {x} stand on its head|v {x} is (sideways|crooked|lying on its side), (turn|rotate) it|v (rotate|turn) {x} {deg}|v turn {x} (round|around)"
    ),
    "convert_image": (
        "v (convert|change|turn|transform) {x} (to|into) [a|an] {fmt} [file|image|format]|v (save|export|store|give me|send me|hand me) {x} (as|in) [a|an] {fmt} [file|format|image]|n {x} (as|in) [a|an] {fmt} [file|format]|v make {x} [a|an] {fmt} [file]|v convert {x} to {fmt}|q can I have {x} (as|in) [a] {fmt}|n a {fmt} [version|copy] of {x}|v re-encode {x} as {fmt}|v change the format of {x} to {fmt}|v I need {x} (as|in) {fmt} [format]|v output {x} as {fmt}"
    ),
    "convert_audio": (
        "v (convert|change|turn|transform) {x} (to|into) [a|an] {fmt} [file|format]|v (save|export|store|give me|send me|hand me) {x} (as|in) [a|an] {fmt} [file|format]|n {x} (as|in) [a|an] {fmt} [file|format]|v make {x} [a|an] {fmt} [file]|v convert {x} to {fmt}|q can I have {x} (as|in) [a] {fmt}|n a {fmt} [version|copy] of {x}|v re-encode {x} as {fmt}|v change the format of {x} to {fmt}|v I need {x} (as|in) {fmt} [format]|v (my|the) (phone|player|car|computer) only plays {fmt}, convert {x}|v output {x} as {fmt}"
    ),
    "trim": (
        "v (trim|cut|shorten|clip|crop) {x} to [the] {span}|v (keep|take) [only] [the] {span} of {x}|n [only|just] [the] {span} of {x}|v (cut|trim|snip|extract|get) {x} {range}|v (cut|extract|take|get) the (part|section|bit|piece|stretch) {range} (of|from|in|out of) {x}|v (cut off|remove|drop|delete|throw away) (everything|the rest|all) after [the first] {sec} (of|in|from) {x}|v make {x} only {sec} long|v shorten {x} to {sec}|v (cut|trim) {x} (down|off) to {sec}|v stop {x} after {sec}|v limit {x} to {sec}|v {x} is too long, keep [only] [the] {span}|v (leave|keep) only the (part|section) {range} of {x}|v (cut|trim) {x} after {sec}|v let {x} end after {sec}|v give me {sec} of {x}|v give me [the] {span} of {x}|v play [only] [the] {span} of {x}"
    ),
    "waveform": (
        "v (draw|show|plot|display|make|create|give me|render|visualise|print) [me] (the|a) (waveform|wave form|amplitude|amplitude curve|loudness curve|wave) (of|for|from) {x}|n (the|a) (waveform|wave form|waveform picture|waveform plot|amplitude plot|wave picture) (of|for|from) {x}|v plot {x} as a (waveform|wave|curve)|q what does the waveform of {x} look like|v show [me] {x} as a (waveform|wave|curve)|v visualise (the waveform of {x}|{x} as a waveform)|q how loud is {x} over time|v turn {x} into a waveform [picture|image]|n the shape of the sound wave of {x}|v draw the wave of {x}|v plot the amplitude of {x} [over time]|v waveform {x}|n a waveform|v show [me] the waveform"
    ),
    "spectrogram": (
        "v (draw|show|plot|display|make|create|give me|render|compute|visualise) [me] (the|a) (spectrogram|spectrum|frequency plot|frequency spectrum|mel spectrogram|frequencies|sonogram) (of|for|from) {x}|n (the|a) (spectrogram|spectrum|frequency plot|spectrogram picture) (of|for|from) {x}|v plot the frequencies of {x}|q what does the (spectrogram|spectrum) of {x} look like|v show [me] {x} as a spectrogram|v turn {x} into a spectrogram|q which frequencies (are|does) {x} (contain|have)|v visualise the frequencies of {x}|v analyse the (frequencies|spectrum) of {x}|v do a frequency analysis of {x}|n a spectrogram|v show [me] the spectrogram"
    ),
    "extract_frames": (
        "v (extract|take|get|pull|grab|save|capture|pick) [me] [{k}|some|a few] (frames|stills|still pictures|images|pictures|screenshots|snapshots|still frames|single frames|photos) (from|of|out of) {x}|n [{k}|some|a few] (frames|stills|still pictures|pictures|images|screenshots|snapshots|photos) (from|of|out of) {x}|v split {x} into [{k}] (frames|pictures|stills)|v turn {x} into [{k}] (still pictures|frames|images|stills)|v freeze {x} [into|at] {k} (frames|pictures)|v show me [{k}] frames (of|from) {x}|v break {x} (down |)into [{k}] (frames|stills)|v take (snapshots|screenshots) of {x}|n the (frames|single pictures|key frames) of {x}|v screenshot {x} {k} times"
    ),
    "extract_audio": (
        "v (extract|take|get|pull|rip|separate|save|grab|strip) [me] the (sound|audio|soundtrack|sound track|audio track|music|voice) (from|of|out of) {x}|n [only|just] the (sound|audio|soundtrack|audio track|music|sound track) (of|from|in) {x}|v give me the (sound|audio) of {x}|v separate the (audio|sound) from {x}|v turn {x} into [an] (audio|sound) [file]|v convert {x} to [a|an] (sound|audio) file|v drop the picture and keep the (sound|audio) of {x}|v keep only the (sound|audio|soundtrack) of {x}|v I need [just|only] the (sound|audio|music) of {x}|v make {x} audio only|v remove the (pictures|images|visuals) from {x}, keep the sound|v isolate the sound of {x}|v export the (sound|audio) [track] of {x}"
    ),
    "collage": (
        "v (make|create|build|do|compose) [me] (a|one) (collage|contact sheet|grid|mosaic|sheet|montage|combined picture|overview|tableau) (of|from|with|out of) {x}|n (a|one) (collage|contact sheet|grid|mosaic|montage|overview sheet|composite) (of|from|with) {x}|v (put|place|arrange|lay|show|set|line up|position|tile) {x} (side by side|next to each other|beside each other|in a grid|in one picture|on one sheet|in a row|into one image|on one page|in a collage|on a single sheet|into one picture|together in one picture)|v (combine|join|assemble|merge) {x} (into|in|on) (a collage|one sheet|a grid|a contact sheet|one page|a montage)|v collage {x}|v (show|display) {x} together [in one picture|on one page]|v stitch {x} together|v tile {x}|v arrange {x}[ in {k} columns]|v compare {x} side by side|n {x} side by side|n {x} next to each other|v make a before and after of {x}"
    ),
    "concat_audio": (
        "v (join|concatenate|chain|connect|merge|append|link|combine|string|stitch|splice) {x} [together] (one after the other|one after another|in a row|into one [recording|file|sound|track]|in order|in sequence|end to end|back to back)|v (play|put) {x} (one after the other|one after another|in a row|after each other|in sequence|back to back|in order)|v (join|concatenate|append|chain|splice) {x}|v make one (recording|sound|audio file|track|audio) (of|from|out of) {x}|n {x} (as one [file|recording]|one after the other|back to back|joined into one)|v stick {x} together|v attach {x} to each other|v put {x} together into one long (sound|recording|audio)|v string {x} together|n one long (recording|audio|track) (of|from|out of) {x}"
    ),
    "concat_video": (
        "v (join|concatenate|chain|connect|merge|append|link|combine|stitch|splice) {x} [together] (one after the other|one after another|into one [video|film|movie|clip]|in order|in sequence|end to end|back to back)|v (play|put|show) {x} (one after the other|one after another|in a row|after each other|in sequence|back to back)|v (join|concatenate|append|chain|splice|glue) {x}|v make one (video|film|movie|clip) (of|from|out of) {x}|n {x} (as one [video|film]|one after the other|back to back)|v stick {x} together|v edit {x} together|v string {x} together|v combine {x}|v merge {x}|n one long (video|film|clip) (of|from|out of) {x}"
    ),
    "mix_audio": (
        "v (mix|overlay|blend|layer|superimpose) {x}|v (mix|overlay|merge|combine|blend|layer) {x} [together] (at the same time|into one (sound|track)|on top of each other|simultaneously|as layers)|v play {x} (at the same time|simultaneously|at once|together|in parallel|over each other)|n {x} (at the same time|mixed|playing together|simultaneously|in parallel)|n a mix of {x} as (audio|a sound|one track)|v make an audio mix (of|from|out of) {x}|v mix down {x}|v let {x} (play|sound) (together|at the same time|at once)|v put {x} over each other"
    ),
    "slideshow": (
        "v (make|create|build|produce|generate) [me] (a|one) (slideshow|slide show|video|film|movie|clip|presentation video|short video|little film|short film) (of|from|with|out of|using) {x}{mus}|n (a|one) (slideshow|slide show|video|film|movie|short film|clip) (of|from|with|made of|out of) {x}{mus}|v (turn|make|combine|convert|transform|assemble) {x} into (a|one) (slideshow|slide show|video|film|movie|clip|short video){mus}|v (show|play) {x} as a (slideshow|slide show|video|film){mus}|v animate {x} [as a slideshow]{mus}|v (join|put|merge) {x} (to|into|in) (a|one) (video|film|slideshow|clip|movie){mus}|v string {x} into a (video|film|slideshow){mus}|n {x} as a (slideshow|video|movie|film){mus}"
    ),
    "slideshow_pair": (
        "v (turn|combine|make|merge|join|put) {p} [together] (into|to|in) (a|one) (video|film|clip|movie|short video)|v (make|create|produce) [me] a (video|film|clip|movie) (of|from|with|out of) {p}|n a (video|film|clip|movie) (of|from|with|made of|out of) {p}|v (show|play) {i} as a video (with|to) {a}|v make a video (of|from|showing) {i} (with|using) {a} as (the |its |)(sound|soundtrack|audio|music)|v make {i} a video with {a}|v combine {i} with {a} (into|as|to) (a|one) (video|film|clip|movie)|v turn {i} into a video (with|that plays|accompanied by) {a}|v add {a} to {i} and make (it|that) a video"
    ),
    "mux": (
        "v (put|add|lay|set|dub|place) {a} (on|onto|to|under|over|in|into) {v}|v (replace|swap|exchange|change|substitute) the (sound|audio|soundtrack|audio track|music|sound track) (of|in) {v} (with|by|for|to) {a}|v use {a} as the (sound|soundtrack|audio|music|new sound) (of|for|in) {v}|v give {v} {a} as (its |a |the |)[new] (sound|soundtrack|audio|music|audio track)|v (combine|merge|mux|join|unite) {v} (and|with) {a}|v (combine|merge|mux|join) {a} (and|with) {v}|n {v} with {a} (as sound|as soundtrack|as music|instead of its sound|underneath|as its audio)|v make {a} the (sound|soundtrack) of {v}|v let {v} play with {a}|v dub {v} with {a}|v play {a} (under|over|during) {v}"
    ),
    "combine_draw": (
        "v (mix|blend|combine|merge|fuse|cross|mash up|unite|mash) {x} [together] (into|in|to|as) (one|a|a single|a new) (picture|image|drawing|creature|thing|animal|painting|being)|v (mix|blend|combine|merge|fuse|cross|add|mash) {x} and (draw|paint|show me|sketch|illustrate) (the result|it|what comes out|the mix|that|the outcome|what you get)|v draw (a|the) (mix|mixture|blend|cross|combination|hybrid|fusion|crossover|mashup|sum|average|in-between|marriage) (of|between|from) {x}|n (a|the) (mix|mixture|blend|hybrid|cross|fusion|combination|mashup) (of|between) {x} (as a picture|as a drawing|as an image|, drawn|, painted|on one picture)|n a (picture|drawing|image) (that mixes|that blends|of a mix of|that combines|of the mixture of|of a cross between|that merges|inspired by) {x}|v draw something (between|that has both|that combines|that mixes|made of|in between) {x}|v imagine {x} as one (thing|creature) and draw it|q what would a (mix|cross|blend|mixture|hybrid) (of|between) {x} look like|q what (do you get|comes out) when you (mix|cross|combine|add|merge) {x}? draw it|v paint {x} merged (together|into one)|v make a hybrid (out of|of|from) {x}|v draw {x} (mixed|merged|blended|crossed|fused|combined)|v let {x} melt into one picture|v add {x} [up] and draw the sum|v draw the (middle|midpoint|average) (of|between) {x}|v draw one thing (inspired by|from) {x}|v create a new (animal|thing|creature|picture) (from|out of) {x}"
    ),
    "combine_minus": (
        "v (subtract|remove|take) {b} from {a} and (draw|paint|show) (it|the result|what is left|the difference)|v draw {a} (minus|without the meaning of|less) {b}|n a (picture|drawing) of {a} minus {b}|v (take|start with) {a}, remove the meaning of {b}, and draw (it|the result)|v draw the difference (between|of) {a} and {b}|v compute {a} minus {b} and draw it|v draw what (is left|remains) of {a} without {b}"
    ),
    "combine_only": (
        "v (add|combine|mix|sum|average) the (embeddings|vectors) of {x}|n the (sum|mean|average|mix|combination) of the (embeddings|vectors) of {x}|v (combine|mix|average|add) {x} (in the embedding space|as vectors|in the shared space|as embeddings|into one vector|into one embedding)|v compute the (mean|average|sum) (vector|embedding) of {x}|n one (vector|embedding) for {x}"
    ),
    "combine_search": (
        "v find {mm} (that (combine|mix|match|fit|unite)|like a (mix|blend|mixture|combination) of|similar to a (mix|combination|mixture) of|between) {x}|v search for [{mm}] (a mix|a blend|the combination|a mixture) of {x}|v search with a (mix|combination|blend) of {x}|q (do I have|are there) {mm} (between|that combine|that mix) {x}|v (mix|combine|add|blend|merge) {x} and search [my library] (with|for) (the result|it|that|the mix)|v look in my (library|archive|files) for (a mix|a combination) of {x}"
    ),
    "describe_speak": (
        "v (describe|explain) {x} (aloud|out loud|with your voice|by voice|in spoken words|in an audio message|verbally)|v (tell|say) (me |)(aloud|out loud|by voice) what (is (in|on)|you (see|hear) in|is shown in) {x}|v say (aloud|out loud) what {x} (is|shows|says)|n (a spoken|an audio|a voice) (description|explanation|summary) of {x}|v make an audio description of {x}|v (describe|explain) {x} and (read|say|speak) (it|the description|that) [aloud|out loud|to me]|v let me hear what (is (in|on)|you see in) {x}|v speak about {x}|v read {x} out to me|v use your voice to (tell me|say|describe) what is (in|on) {x}|v record a (description|explanation) of {x}|v explain {x} in a voice message|v tell me with (your|a) voice what {x} shows|v narrate {x}|v turn {x} into a spoken description|v describe {x} as audio"
    ),
    "describe_caption": (
        "v (write|put|print|add) (what you see|what it is|a description of it|its name|your description|a description|the name of the thing) (on|onto|under|below) {x}|v (describe|recognise|explain) {x} and (write|put|print|add) (it|the description|that|the answer|the result|your words) (on|onto|under|below) (it|the picture|the image|the photo)|v caption {x} with (what it shows|its description|what you see|a description|what is on it|its content)|v label {x} with (what it is|what it shows|its name|what you see)|v give {x} a (fitting|suitable|matching|descriptive) caption|n {x} with (a description|its name|a fitting caption) written on it|v find out what is on {x} and caption it with (that|it)|v let {x} carry its own description|v add a caption to {x} that (describes it|says what it shows)"
    ),
    "frames_collage": (
        "v (make|create) [me] (a|one) (contact sheet|overview|collage|storyboard|grid) (of|from|for|out of) {x}|n (a|one) (contact sheet|collage of frames|storyboard|overview picture|grid of frames|overview of stills) (of|from|for) {x}|v take [{k}] (frames|stills) from {x} and (put|arrange|place|show) them (on one sheet|in a grid|side by side|in a collage|next to each other)|v show [{k}] frames of {x} (side by side|in one picture|on one sheet|in a grid)|v summarise {x} as a (contact sheet|collage|storyboard)|v arrange [{k}] (frames|stills) of {x} in (a grid|one picture)"
    ),
    "chat": (
        "s (hi|hello|hey|good morning|good evening|hi there|hey you|greetings)[!]|s (thanks|thank you|thank you very much|many thanks|thx)[!]|s how are you[ today]?|s who are you?|s what (can you do|are you|are your skills)?|s (well done|great job|nice work|very good|that was great|wonderful|awesome|perfect)[!]|s (ok|okay|fine|alright|I see|got it|understood)|s (bye|goodbye|see you|good night|see you later)|s what is your name?|s (nice|glad|pleased) to meet you|s you are (great|nice|clever|the best|helpful)|s I (like|love) (you|this|it|your work)|s (help|help me)|s how does this work?|s are you (a robot|a human|real|there)?|s (never mind|forget it|nothing)|s that is all|s tell me about yourself|s what do you think?|s do you like (music|cats|drawing)?|s I am (tired|happy|sad|back)|s how old are you?|s who made you?|s (lol|haha|hmm|wow)|s (good|great), (thanks|thank you)[!]|s that is (exactly what I wanted|lovely|beautiful|good|enough)|s can you help me?|s what's up?|s (hello|hi|hey)[,] (who|what) are you?"
    ),
}  # fmt: skip

SIDES = {  # name of what is kept, its rectangle
    "left half|left side|left part|left": {"right": 0.5},
    "right half|right side|right part|right": {"left": 0.5},
    "upper half|top half|top|upper part|top part": {"bottom": 0.5},
    "lower half|bottom half|bottom|lower part|bottom part": {"top": 0.5},
    "centre|center|middle|central part|inner part|middle part": {"left": 0.25, "top": 0.25, "right": 0.75, "bottom": 0.75},
    "upper left corner|top left corner|upper left quarter|top left": {"right": 0.5, "bottom": 0.5},
    "upper right corner|top right corner|top right": {"left": 0.5, "bottom": 0.5},
    "lower left corner|bottom left corner|bottom left": {"top": 0.5, "right": 0.5},
    "lower right corner|bottom right corner|bottom right": {"left": 0.5, "top": 0.5},
}  # fmt: skip
OPPOSITE = {
    "left half|left side|left part|left": {"left": 0.5},
    "right half|right side|right part|right": {"right": 0.5},
    "upper half|top half|top|upper part|top part|top edge": {"top": 0.5},
    "lower half|bottom half|bottom|lower part|bottom edge": {"bottom": 0.5},
    "borders|edges|border|margins|sides": {"left": 0.25, "top": 0.25, "right": 0.75, "bottom": 0.75},
}  # fmt: skip
MEDIA_WORDS = {
    "": "things|files|assets|stuff|anything|results|items|material",
    "image": "pictures|images|photos|drawings|pics|paintings|photographs",
    "audio": "sounds|recordings|audio files|audio|voice notes|noises|songs",
    "video": "videos|clips|films|movies",
}
MEDIA_WORD = {
    "image": "picture|image|photo|drawing",
    "audio": "sound|recording|audio file",
    "video": "video|clip|film",
}

# -- joined with the other two files

OTHER_FORMS = "the other one|the other {n}|the other|the remaining {n}|the other of the two"
TOGETHER = "them|both|both of them|the two|the two of them|these two|the picture and the sound|picture and sound|the drawing and the speech|the image and the audio|image and voice|everything|the two things|sound and picture|both results|that all"
OPS = grown(OPS)
REFS = {name: f"{REFS[name]}|{more.REFS[name]}" for name in REFS}
RESULTS = {name: f"{RESULTS[name]}|{more.RESULTS[name]}" for name in RESULTS}
DEFINITE += f"|{more.DEFINITE}"
PRONOUNS += f"|{more.PRONOUNS}"
ORDINAL_FORMS += f"|{more.ORDINAL_FORMS}"
LAST_FORMS += f"|{more.LAST_FORMS}"
MIDDLE_FORMS += f"|{more.MIDDLE_FORMS}"
NEWEST_FORMS += f"|{more.NEWEST_FORMS}"
PAIR += f"|{more.PAIR}"
GROUP += f"|{more.GROUP}"
MIXED += f"|{more.MIXED}"
WRAP_V += f"|{more.WRAP_V}"
WRAP_N += f"|{more.WRAP_N}"
FRONT += f"|{more.FRONT}"
BACK += f"|{more.BACK}"
CHATTER += f"|{more.CHATTER}"
THEN += f"|{more.THEN}"
FIRST += f"|{more.FIRST}"
QUESTION_AND += f"|{more.QUESTION_AND}"
IGNORE += f"|{more.IGNORE}"
T2I_V += f"|{more.T2I_V}"
T2I_N += f"|{more.T2I_N}"
T2I_S += f"|{more.T2I_S}"
