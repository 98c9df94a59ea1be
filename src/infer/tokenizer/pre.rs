//! Pre-tokenizers: how a text is cut into words before byte-pair merging, by the names that llama.cpp gives them in
//! `tokenizer.ggml.pre`. The patterns are those of the models' own tokenizer files. Leaves out merging.

use fancy_regex::Regex;

use super::TokenizerError;
use super::split::{self, DIGITS, NUMBERS};

/// A cut; the next rule cuts each part further.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// GPT-2's pattern, hand-written.
    Gpt2,
    /// Llama 3's and Qwen 2's pattern, hand-written: so many digits at most stand together.
    Words(usize),
    /// Runs of line feeds apart from everything else.
    Lines,
    /// Numbers cut into threes from the right; those of any script, or decimal digits only.
    ThousandsOfNumbers,
    ThousandsOfDigits,
    Pattern(&'static str),
}

/// What a name in `tokenizer.ggml.pre` says about the tokenizer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preset {
    names: &'static [&'static str],
    rules: &'static [Rule],
    /// A word that is a token is not put together from merges.
    pub(super) ignore_merges: bool,
    pub(super) add_bos: bool,
    /// Tokens spell bytes as GPT-2's printable characters, not as themselves.
    pub(super) byte_level: bool,
    /// Spaces are written `▁`.
    pub(super) escape_spaces: bool,
    /// A run of line feeds that is a token is not put together from merges (Gemma 4).
    pub(super) whole_newlines: bool,
}

/// Upper or lower case, then any case: as GPT-4o's and Tekken's patterns group letters.
macro_rules! upper {
    () => {
        r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
    };
}
macro_rules! lower {
    () => {
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    };
}
macro_rules! apostrophe {
    () => {
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    };
}
macro_rules! camel {
    ($ending:expr) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?",
            upper!(),
            "*",
            lower!(),
            "+",
            $ending,
            "|",
            r"[^\r\n\p{L}\p{N}]?",
            upper!(),
            "+",
            lower!(),
            "*",
            $ending
        )
    };
}
macro_rules! camel_with_apostrophe {
    () => {
        camel!(concat_apostrophe!())
    };
}
macro_rules! concat_apostrophe {
    () => {
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?"
    };
}
macro_rules! marks_and_blanks {
    () => {
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}
macro_rules! marks_slash_and_blanks {
    () => {
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}

const GPT4O: &str = concat!(camel_with_apostrophe!(), r"|\p{N}{1,3}|", marks_slash_and_blanks!());
const TEKKEN: &str = concat!(camel!(""), r"|\p{N}|", marks_slash_and_blanks!());
const YOUTU_WORDS: &str = concat!(camel_with_apostrophe!(), r"|\p{N}|", marks_slash_and_blanks!());
const DEEPSEEK3_WORDS: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const SPARK_WORDS: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"
);
const CHINESE_AND_KANA: &str = r"[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
const EAST_ASIAN: &str = r"[\u{4E00}-\u{9FA5}\u{0800}-\u{4E00}\u{AC00}-\u{D7FF}]+";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
/// The letters with case that DeepSeek's first tokenizer lists.
const DEEPSEEK_CASED: &str = concat!(
    r"\s?[",
    r"A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}",
    r"\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}",
    r"\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}",
    r"\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}",
    r"\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}",
    r"\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}",
    r"\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}",
    r"\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}",
    r"\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}",
    r"\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}",
    r"\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}",
    r"\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}",
    r"\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}",
    r"\u{1E900}-\u{1E943}",
    r"]+"
);
const AFMOE_SCRIPTS: &str = concat!(
    r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{F900}-\u{FAFF}\u{3040}-\u{309F}\u{30A0}-\u{30FF}\u{FF65}-\u{FF9F}",
    r"\u{2F00}-\u{2FDF}\u{0E00}-\u{0E7F}\u{0E80}-\u{0EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}",
    r"\u{A9E0}-\u{A9FF}\u{AC00}-\u{D7AF}\u{1100}-\u{11FF}]+"
);
const KIMI: &str = concat!(
    r"[\p{Han}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
    concat_apostrophe!(),
    "|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
    concat_apostrophe!(),
    "|",
    r"\p{N}{1,3}|",
    marks_and_blanks!()
);
const JAIS2: &str = concat!(
    apostrophe!(),
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|",
    r"\s{1,2}(?!\S)|\s{1}"
);

const PLAIN: Preset = Preset {
    names: &[],
    rules: &[],
    ignore_merges: false,
    add_bos: false,
    byte_level: true,
    escape_spaces: false,
    whole_newlines: false,
};

const PRESETS: &[Preset] = &[
    Preset {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        rules: &[Rule::Words(3)],
        ignore_merges: true,
        add_bos: true,
        ..PLAIN
    },
    Preset { names: &["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], rules: &[Rule::Words(3)], ..PLAIN },
    Preset {
        names: &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "megrez",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        rules: &[Rule::Words(1)],
        ..PLAIN
    },
    Preset {
        names: &["qwen35"],
        rules: &[Rule::Pattern(concat!(
            apostrophe!(),
            r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ))],
        ..PLAIN
    },
    Preset { names: &["laguna"], rules: &[Rule::Lines, Rule::Words(1)], ..PLAIN },
    Preset {
        names: &["ufakzeka"],
        rules: &[Rule::Pattern(concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|", marks_and_blanks!()))],
        ..PLAIN
    },
    Preset {
        names: &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "exaone4",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
        ],
        rules: &[Rule::Gpt2],
        ..PLAIN
    },
    Preset {
        names: &["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
        rules: &[Rule::Pattern(r"\p{N}"), Rule::Gpt2],
        ..PLAIN
    },
    Preset {
        names: &["default"],
        rules: &[
            Rule::Pattern(r"[\p{P}\$\+<=>\^~\|]+"),
            Rule::Gpt2,
            Rule::Pattern(r"\p{N}+"),
            Rule::Pattern("[0-9][0-9][0-9]"),
        ],
        ..PLAIN
    },
    Preset {
        names: &["falcon"],
        rules: &[Rule::Pattern(r"[\p{P}\$\+<=>\^~\|`]+"), Rule::Gpt2, Rule::Pattern("[0-9][0-9][0-9]")],
        ..PLAIN
    },
    Preset {
        names: &["deepseek-llm"],
        rules: &[
            Rule::Pattern(r"[\r\n]"),
            Rule::Pattern(DEEPSEEK_CASED),
            Rule::Pattern(r"\s?[!-/:-~！-／：-～‘-‟\u{3000}-。]+"),
            Rule::Pattern(r"\s+$"),
            Rule::Pattern(EAST_ASIAN),
            Rule::Pattern(r"\p{N}+"),
        ],
        ..PLAIN
    },
    Preset {
        names: &["deepseek-coder"],
        rules: &[
            Rule::Pattern(r"[\r\n]"),
            Rule::Pattern(r"\s?\p{L}+"),
            Rule::Pattern(r"\s?\p{P}+"),
            Rule::Pattern(EAST_ASIAN),
            Rule::Pattern(r"\p{N}"),
        ],
        ..PLAIN
    },
    Preset {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        rules: &[Rule::Pattern(r"\p{N}{1,3}"), Rule::Pattern(CHINESE_AND_KANA), Rule::Pattern(DEEPSEEK3_WORDS)],
        ..PLAIN
    },
    Preset {
        names: &["spark2_5"],
        rules: &[
            Rule::Pattern(r"\p{N}{1,3}"),
            Rule::Pattern(CHINESE_AND_KANA),
            Rule::Pattern(SPARK_WORDS),
            Rule::Pattern(r"\p{N}"),
        ],
        ..PLAIN
    },
    Preset {
        names: &["youtu"],
        rules: &[
            Rule::Pattern(concat!(
                r"[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+|[！…“”‘’—：；，\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+|",
                r"[\u{3105}-\u{312F}]+|[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+"
            )),
            Rule::Pattern(YOUTU_WORDS),
        ],
        ignore_merges: true,
        ..PLAIN
    },
    Preset { names: &["poro-chat", "bloom", "gpt3-finnish"], rules: &[Rule::Pattern(BLOOM)], ..PLAIN },
    Preset { names: &["viking"], rules: &[Rule::Pattern(BLOOM), Rule::Pattern(r"\p{N}")], ..PLAIN },
    Preset { names: &["tekken"], rules: &[Rule::Pattern(TEKKEN)], ignore_merges: true, add_bos: true, ..PLAIN },
    Preset { names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], rules: &[Rule::Pattern(GPT4O)], ..PLAIN },
    Preset { names: &["granite-embed-multi-97m"], rules: &[Rule::Pattern(GPT4O)], ignore_merges: true, ..PLAIN },
    Preset {
        names: &["tiny_aya", "cohere2moe"],
        rules: &[Rule::Pattern(r"\d{1,3}(?=(?:\d{3})*\b)"), Rule::Pattern(GPT4O)],
        ..PLAIN
    },
    Preset {
        names: &["chameleon"],
        rules: &[
            Rule::Pattern("<sentinel:[0-9]+>"),
            Rule::Pattern("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
            Rule::Pattern(r"([\t\n]|    |  )"),
            Rule::Pattern(r"\p{N}"),
            Rule::Pattern(r"[\p{P}!-/:-@\[-`{-~]"),
            Rule::Gpt2,
        ],
        add_bos: true,
        ..PLAIN
    },
    Preset { names: &["kimi-k2"], rules: &[Rule::Pattern(KIMI)], ..PLAIN },
    Preset { names: &["superbpe"], rules: &[Rule::Pattern(r"\p{N}+"), Rule::ThousandsOfDigits], ..PLAIN },
    Preset {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        rules: &[Rule::Pattern(concat!(
            r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
            r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
        ))],
        ..PLAIN
    },
    Preset {
        names: &["seed-coder"],
        rules: &[Rule::Pattern(concat!(
            apostrophe!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
        ))],
        ..PLAIN
    },
    Preset {
        names: &["exaone-moe"],
        rules: &[Rule::Pattern(concat!(
            apostrophe!(),
            r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        ))],
        ..PLAIN
    },
    Preset {
        names: &["afmoe"],
        rules: &[Rule::ThousandsOfNumbers, Rule::Pattern(AFMOE_SCRIPTS), Rule::Pattern(DEEPSEEK3_WORDS)],
        ..PLAIN
    },
    Preset {
        names: &["minicpm5"],
        rules: &[
            Rule::Pattern(r"\p{N}{1,3}"),
            Rule::Pattern(concat!(apostrophe!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|", marks_and_blanks!())),
        ],
        ignore_merges: true,
        ..PLAIN
    },
    Preset { names: &["jais-2"], rules: &[Rule::Pattern(JAIS2)], ..PLAIN },
    Preset { names: &["whitespace"], rules: &[Rule::Pattern(r"\S+")], byte_level: false, ..PLAIN },
    Preset {
        names: &["gemma4", "granite-embed-multi-311m"],
        rules: &[Rule::Lines],
        add_bos: true,
        byte_level: false,
        escape_spaces: true,
        whole_newlines: true,
        ..PLAIN
    },
    Preset { names: &["sarvam-moe"], rules: &[Rule::Lines], byte_level: false, escape_spaces: true, ..PLAIN },
];

/// Every name that is known, for a refusal.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().flat_map(|preset| preset.names).copied()
}

pub(super) fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.names.contains(&name))
}

/// Rules with their patterns compiled.
#[derive(Clone, Debug)]
pub(super) struct PreTokenizer {
    cuts: Vec<Cut>,
}

#[derive(Clone, Debug)]
pub(super) enum Cut {
    Gpt2,
    Words(usize),
    Lines,
    ThousandsOfNumbers,
    ThousandsOfDigits,
    Pattern(Box<Regex>),
}

impl Cut {
    /// A pattern from a file.
    pub(super) fn pattern(pattern: &str) -> Result<Self, TokenizerError> {
        // Enough for any pattern of a real file over a megabyte of one character; a hostile one ends with an error.
        const MOST_BACKTRACKS: usize = 50_000_000;
        let mut builder = fancy_regex::RegexBuilder::new(pattern);
        let regex = builder
            .backtrack_limit(MOST_BACKTRACKS)
            .build()
            .map_err(|e| TokenizerError::Pattern { pattern: pattern.to_owned(), reason: e.to_string() })?;
        Ok(Self::Pattern(Box::new(regex)))
    }
}

impl Preset {
    pub(super) fn compile(&self) -> Result<PreTokenizer, TokenizerError> {
        let cut = |rule: &Rule| match *rule {
            Rule::Gpt2 => Ok(Cut::Gpt2),
            Rule::Words(digits) => Ok(Cut::Words(digits)),
            Rule::Lines => Ok(Cut::Lines),
            Rule::ThousandsOfNumbers => Ok(Cut::ThousandsOfNumbers),
            Rule::ThousandsOfDigits => Ok(Cut::ThousandsOfDigits),
            Rule::Pattern(pattern) => Cut::pattern(pattern),
        };
        Ok(PreTokenizer { cuts: self.rules.iter().map(cut).collect::<Result<_, _>>()? })
    }
}

impl PreTokenizer {
    pub(super) fn new(cuts: Vec<Cut>) -> Self {
        Self { cuts }
    }

    /// The words of a text, in order; together they are the text.
    pub(super) fn words<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, TokenizerError> {
        let mut parts = vec![text];
        for cut in &self.cuts {
            let mut finer = Vec::with_capacity(parts.len() * 2);
            for part in parts {
                cut.apply(part, &mut |word| finer.push(word))?;
            }
            parts = finer;
        }
        Ok(parts)
    }
}

impl Cut {
    fn apply<'t>(&self, text: &'t str, emit: &mut dyn FnMut(&'t str)) -> Result<(), TokenizerError> {
        match self {
            Cut::Gpt2 => each(text, split::gpt2, emit),
            Cut::Words(digits) => each(text, |rest| split::words(rest, *digits), emit),
            Cut::Lines => each(text, lines, emit),
            Cut::ThousandsOfNumbers => split::thousands(text, &NUMBERS, emit),
            Cut::ThousandsOfDigits => split::thousands(text, &DIGITS, emit),
            Cut::Pattern(regex) => {
                let mut at = 0;
                for found in regex.find_iter(text) {
                    let found = found.map_err(|e| TokenizerError::Pattern {
                        pattern: regex.as_str().to_owned(),
                        reason: e.to_string(),
                    })?;
                    // Where nothing matched, the text stays whole; an empty match only cuts.
                    if found.start() > at {
                        emit(&text[at..found.start()]);
                    }
                    if found.end() > found.start() {
                        emit(found.as_str());
                    }
                    at = found.end();
                }
                if at < text.len() {
                    emit(&text[at..]);
                }
            }
        }
        Ok(())
    }
}

fn each<'t>(text: &'t str, first: impl Fn(&str) -> usize, emit: &mut dyn FnMut(&'t str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(first(rest));
        emit(word);
        rest = after;
    }
}

fn lines(text: &str) -> usize {
    let feed = text.starts_with('\n');
    text.find(|c| (c == '\n') != feed).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(name: &str, text: &'static str) -> Vec<&'static str> {
        preset(name).expect("known").compile().expect("ours").words(text).expect("short")
    }

    #[test]
    fn names_are_unique_and_every_preset_compiles() {
        let mut all: Vec<_> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(PRESETS.iter().all(|preset| preset.compile().is_ok() && !preset.rules.is_empty()));
        assert!(preset("gpt-3").is_none());
    }

    #[test]
    fn digits_stand_together_as_each_model_wants() {
        assert_eq!(words("llama-bpe", "12345"), ["123", "45"]);
        assert_eq!(words("qwen2", "123"), ["1", "2", "3"]);
        assert_eq!(words("gpt-2", "12345"), ["12345"]);
        assert_eq!(words("starcoder", "a 12"), ["a", " ", "1", "2"]);
        assert_eq!(words("falcon", "12345"), ["123", "45"]);
        assert_eq!(words("superbpe", "x12345 7"), ["x", "12", "345", " ", "7"]);
        assert_eq!(words("afmoe", "12345"), ["12", "345"]);
        assert_eq!(words("tiny_aya", "12345 1"), ["12", "345", " ", "1"]);
    }

    #[test]
    fn capitals_begin_words_where_the_model_wants_it() {
        assert_eq!(words("gpt-4o", "helloWorld's ABCdef"), ["hello", "World's", " ABCdef"]);
        assert_eq!(words("tekken", "helloWorld's"), ["hello", "World", "'s"]);
        assert_eq!(words("llama-bpe", "helloWorld"), ["helloWorld"]);
    }

    #[test]
    fn scripts_and_lines_are_kept_apart() {
        assert_eq!(words("deepseek-v3", "abc中文123"), ["abc", "中文", "123"]);
        assert_eq!(words("kimi-k2", "中文abc"), ["中文", "abc"]);
        assert_eq!(words("deepseek-llm", "Straße 中\n"), ["Stra", "ß", "e", " ", "中", "\n"]);
        assert_eq!(words("gemma4", "a\n\nb"), ["a", "\n\n", "b"]);
        assert_eq!(words("bloom", "a, b"), ["a", ",", " b"]);
    }

    #[test]
    fn nothing_is_lost() {
        let compiled: Vec<_> = PRESETS.iter().map(|preset| preset.compile().expect("ours")).collect();
        proptest!(|(text in any::<String>())| {
            for pre in &compiled {
                prop_assert_eq!(&pre.words(&text).expect("short").concat(), &text);
            }
        });
    }
}
