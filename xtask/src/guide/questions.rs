//! Questions made of the corpus: templates filled, choices taken, words mistyped as people do. Everything follows from a
//! seed.

use super::corpus::{Corpus, Split, Template};

/// What is said to all that is outside.
pub(super) const UNKNOWN: &str =
    "I don't know. I only know bizra: ask about its commands, flags, exit codes or receipts.";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) text: String,
    /// The number of the fact that answers it; none is outside.
    pub(super) fact: Option<usize>,
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

pub(super) struct Maker<'c> {
    corpus: &'c Corpus,
    random: Random,
}

impl<'c> Maker<'c> {
    pub(super) fn new(corpus: &'c Corpus, seed: u64) -> Self {
        Maker { corpus, random: Random(seed) }
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// A question about a fact, as training sees them.
    pub(super) fn about(&mut self, fact: usize) -> Question {
        let phrases: Vec<_> =
            self.corpus.facts[fact].phrases.iter().filter(|p| p.kind != 'q' || p.split == Split::Train).collect();
        let Some(phrase) = (!phrases.is_empty()).then(|| *self.random.pick(&phrases)) else {
            return Question { text: self.corpus.facts[fact].id.clone(), fact: Some(fact) };
        };
        let template = self.template(phrase.kind, Split::Train);
        let text = self.fill(&template.text, &phrase.text);
        let text = if phrase.kind == 'c' { self.quoted_command(&text, &phrase.text) } else { text };
        Question { text: self.roughened(text), fact: Some(fact) }
    }

    /// Of each fact, up to `most` questions whose template is of that split.
    pub(super) fn of_split(&mut self, fact: usize, split: Split, most: usize) -> Vec<Question> {
        let corpus = self.corpus;
        let mut made: Vec<Question> = Vec::new();
        let mut pairs = Vec::new();
        for phrase in &corpus.facts[fact].phrases {
            if phrase.kind == 'q' {
                if phrase.split == split {
                    pairs.push(("{}", phrase));
                }
                continue;
            }
            let templates = corpus.of_kind(phrase.kind, split);
            pairs.extend(templates.into_iter().map(|template| (template.text.as_str(), phrase)));
        }
        while made.len() < most && !pairs.is_empty() {
            let (template, phrase) = pairs.swap_remove(self.random.below(pairs.len()));
            let text = self.fill(template, &phrase.text);
            made.push(Question { text: self.ended(text), fact: Some(fact) });
        }
        made
    }

    fn template(&mut self, kind: char, split: Split) -> &'c Template {
        let templates = self.corpus.of_kind(kind, split);
        self.random.pick::<&Template>(&templates)
    }

    /// A question outside of what is known. Those held out have a template, a topic or a phrase that training never sees.
    pub(super) fn outside(&mut self, split: Split) -> Question {
        let outside = &self.corpus.outside;
        let text = match self.random.below(100) {
            0..55 => {
                let of: Vec<_> = outside.questions.iter().filter(|q| q.split == split).collect();
                let template = self.random.pick(&of);
                self.words(&template.text)
            }
            55..86 => {
                let of: Vec<_> = outside.phrases.iter().filter(|p| p.split == split).collect();
                let phrase = self.random.pick(&of);
                let template = self.template(phrase.kind, Split::Train);
                let phrase = self.words(&phrase.text);
                self.fill(&template.text, &phrase)
            }
            86..93 => self.gibberish(),
            93..96 => {
                let kind = *self.random.pick(&['g', 'n', 'c']);
                let template = self.template(kind, Split::Train);
                let word = self.nonsense();
                self.fill(&template.text, &word)
            }
            96..98 => self.long(split),
            98 => return Question { text: String::new(), fact: None },
            _ => {
                let of: Vec<_> = outside.questions.iter().filter(|q| q.split == split).collect();
                let text = self.random.pick(&of).text.clone();
                let text = self.words(&text);
                format!("{text} {text} {text}")
            }
        };
        let text = if split == Split::Train { self.roughened(text) } else { self.ended(text) };
        Question { text, fact: None }
    }

    /// `{word}` by a word of its list, `[a|b]` by one of them.
    fn words(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find('{') {
            let end = rest[begin..].find('}').map_or(rest.len(), |at| begin + at);
            out += &rest[..begin];
            match self.corpus.outside.words.get(&rest[begin + 1..end]) {
                Some(list) => out += self.random.pick::<String>(list),
                None => out += &rest[begin..=end.min(rest.len() - 1)],
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        out += rest;
        self.chosen(&out)
    }

    fn chosen(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('[') {
            out += before;
            let Some((choices, after)) = after.split_once(']') else { break };
            let choices: Vec<&str> = choices.split('|').collect();
            out += self.random.pick::<&str>(&choices);
            rest = after;
        }
        out + rest
    }

    fn fill(&mut self, template: &str, phrase: &str) -> String {
        let chosen = self.chosen(template);
        // A phrase that is a question already needs no second mark within the sentence.
        let inner = if chosen.ends_with("{}") { phrase } else { phrase.trim_end_matches('?') };
        chosen.replace("{}", inner)
    }

    fn quoted_command(&mut self, text: &str, command: &str) -> String {
        let quote = match self.random.below(10) {
            0 | 1 => "`",
            2 => "'",
            _ => return text.to_owned(),
        };
        text.replacen(command, &format!("{quote}{command}{quote}"), 1)
    }

    fn ended(&mut self, text: String) -> String {
        let text = text.trim_end_matches('?');
        match self.random.below(20) {
            0..12 => format!("{text}?"),
            12..18 => text.to_owned(),
            18 => format!("{text}."),
            _ => format!("{text} ?"),
        }
    }

    fn roughened(&mut self, text: String) -> String {
        let mut text = text;
        if self.random.chance(10) {
            let pairs = [
                ("machine", "computer"),
                ("find out", "discover"),
                ("see ", "look at "),
                ("show ", "display "),
                ("get ", "obtain "),
                ("check ", "inspect "),
                ("make ", "create "),
                ("remove ", "delete "),
                ("choose ", "select "),
                ("file ", "document "),
                ("stop ", "end "),
                ("list ", "enumerate "),
                ("when ", "in case "),
                ("a ", "some "),
                ("my ", "our "),
                ("the ", "this "),
            ];
            let (from, to) = *self.random.pick(&pairs);
            text = text.replacen(&format!(" {from}"), &format!(" {to}"), 1);
        }
        if self.random.chance(8) {
            let article = *self.random.pick(&[" the ", " a ", " an "]);
            text = text.replacen(article, " ", 1);
        }
        if self.random.chance(15) {
            text = text.replacen('\'', "", 1);
        }
        if self.random.chance(14) {
            text = self.mistyped(&text);
        }
        if self.random.chance(8) {
            let before = ["please ", "so, ", "ok, ", "um, ", "well, ", "and ", "bizra: ", "again: ", "sorry, ", "but "];
            text = format!("{}{text}", self.random.pick(&before));
        }
        let text = self.ended(text);
        if self.random.chance(5) {
            let after = [" please", " thanks", " thank you", "!", "!!", " :)", " asap", " now"];
            return format!("{text}{}", self.random.pick(&after));
        }
        text
    }

    /// One slip of the fingers in one of the longer words.
    fn mistyped(&mut self, text: &str) -> String {
        let words: Vec<&str> = text.split(' ').collect();
        let long: Vec<usize> = (0..words.len())
            .filter(|at| words[*at].len() > 4 && words[*at].bytes().all(|b| b.is_ascii_lowercase()))
            .collect();
        if long.is_empty() {
            return text.to_owned();
        }
        let at = *self.random.pick(&long);
        let mut letters = words[at].as_bytes().to_vec();
        let place = 1 + self.random.below(letters.len() - 2);
        match self.random.below(4) {
            0 => letters.swap(place, place + 1),
            1 => {
                letters.remove(place);
            }
            2 => letters.insert(place, letters[place]),
            _ => letters[place] = b'a' + self.random.below(26) as u8,
        }
        let typed = String::from_utf8_lossy(&letters).into_owned();
        let mut words = words;
        words[at] = &typed;
        words.join(" ")
    }

    fn nonsense(&mut self) -> String {
        let syllables = 2 + self.random.below(3);
        (0..syllables)
            .map(|_| {
                let (first, second) = (self.random.below(17), self.random.below(5));
                format!("{}{}", &"bcdfghklmnprstvwz"[first..=first], &"aeiou"[second..=second])
            })
            .collect()
    }

    fn gibberish(&mut self) -> String {
        match self.random.below(4) {
            0 => (0..3 + self.random.below(24)).map(|_| char::from(b'a' + self.random.below(26) as u8)).collect(),
            1 => {
                let marks = "?!.,;:-_#$%&/()=+*<>|0123456789 ".as_bytes();
                (0..1 + self.random.below(16)).map(|_| char::from(*self.random.pick(marks))).collect()
            }
            2 => {
                let word = match self.random.below(2) {
                    0 => self.nonsense(),
                    _ => self.words("[{word}|{animal}|{food}|{thing}|the|who|how|when|what|ok|ha|please|very]"),
                };
                let mut times = 3 + self.random.below(20);
                if self.random.chance(30) {
                    times *= 6;
                }
                vec![word; times].join(" ")
            }
            _ => {
                let count = 1 + self.random.below(6);
                (0..count).map(|_| self.nonsense()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// Many words that ask nothing that is known.
    fn long(&mut self, split: Split) -> String {
        let of: Vec<_> = self.corpus.outside.questions.iter().filter(|q| q.split == split).collect();
        let mut text = String::new();
        for _ in 0..3 + self.random.below(10) {
            let template = self.random.pick(&of).text.clone();
            text += &self.words(&template);
            text.push_str(self.random.pick::<&str>(&[". ", ", ", " and ", "? ", " "]));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_asks_the_same() {
        let corpus = Corpus::read().unwrap();
        let asked = |seed| {
            let mut maker = Maker::new(&corpus, seed);
            (0..200)
                .map(|n| if n % 3 == 0 { maker.outside(Split::Train) } else { maker.about(n % corpus.facts.len()) })
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(1), asked(1));
        assert_ne!(asked(1), asked(2));
    }

    #[test]
    fn questions_have_no_slot_left() {
        let corpus = Corpus::read().unwrap();
        let mut maker = Maker::new(&corpus, 5);
        for fact in 0..corpus.facts.len() {
            for question in maker.of_split(fact, Split::Held, 50).into_iter().chain([maker.about(fact)]) {
                assert!(!question.text.contains(['{', '[', '}']), "{}", question.text);
            }
        }
        for _ in 0..2000 {
            let text = maker.outside(Split::Held).text;
            assert!(!text.contains(['{', '[', '}']), "{text}");
        }
    }
}
