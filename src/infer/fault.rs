//! Why a model could not be built or run. What files and tokenizers are refused for stands in their own errors.

use std::fmt;

use super::config::ConfigError;
use super::gguf::GgufError;
use super::grammar::GrammarError;
use super::hf::HfError;
use super::shown;
use super::tokenizer::TokenizerError;

#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InferError {
    Gguf(GgufError),
    Config(ConfigError),
    Tokenizer(TokenizerError),
    Folder(HfError),
    /// The model needs a tensor that the file lacks.
    MissingTensor {
        name: String,
    },
    /// Sizes of a tensor, the innermost first, differ from what the configuration says.
    Shape {
        name: String,
        needed: Vec<usize>,
        found: Vec<u64>,
    },
    /// The file holds a tensor that this architecture has no use for: the answers would be another model's.
    UnusedTensor {
        name: String,
        arch: &'static str,
    },
    /// Keys and values of different sizes.
    HeadSizes {
        key: usize,
        value: usize,
    },
    /// Divisors or frequencies of the position embedding that are no positive numbers.
    RopeFactors {
        name: &'static str,
        index: usize,
        value: f64,
    },
    /// The tokenizer knows ids for which the model has no embedding.
    Vocabulary {
        tokenizer: usize,
        model: usize,
    },
    Sampling {
        option: &'static str,
        value: String,
        range: &'static str,
    },
    EmptyPrompt,
    EmptyStop,
    ContextOption {
        asked: usize,
        trained: usize,
    },
    /// More tokens than the context takes.
    Context {
        tokens: usize,
        context: usize,
    },
    TokenId {
        id: u32,
        vocab: usize,
    },
    /// The model computed a NaN or an infinity.
    NotFinite {
        place: Place,
        position: usize,
    },
    /// Every token is forbidden, by the logit bias or a grammar.
    NothingToPick {
        position: usize,
    },
    /// A schema or grammar that can't be followed.
    Grammar(GrammarError),
    /// The token that ends the thinking begins the answer too, where a grammar has the say.
    ThoughtIntoAnswer {
        position: usize,
    },
    /// A session of another model or with another kind of cache.
    Session,
    Kernel(bizra_kernels::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Layer { number: usize, of: usize },
    Logits,
}

impl fmt::Display for InferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gguf(e) => e.fmt(f),
            Self::Config(e) => e.fmt(f),
            Self::Tokenizer(e) => e.fmt(f),
            Self::Folder(e) => e.fmt(f),
            Self::MissingTensor { name } => write!(f, "tensor {} is missing from the model", shown(name)),
            Self::Shape { name, needed, found } => {
                write!(f, "tensor {} has sizes {found:?} where the configuration asks for {needed:?}", shown(name))
            }
            Self::UnusedTensor { name, arch } => write!(
                f,
                "tensor {} has no place in a {arch} model as bizra knows it; without it the answers would be wrong",
                shown(name)
            ),
            Self::HeadSizes { key, value } => {
                write!(f, "keys of {key} and values of {value} elements a head are not supported; both must be equal")
            }
            Self::RopeFactors { name, index, value } => {
                write!(f, "{name}: number {index} is {value}; it must be finite and above 0")
            }
            Self::Vocabulary { tokenizer, model } => {
                write!(f, "the tokenizer has {tokenizer} tokens, but the model has embeddings for {model} only")
            }
            Self::Sampling { option, value, range } => write!(f, "{option} {value} cannot be used; give {range}"),
            Self::EmptyPrompt => f.write_str("the prompt has no tokens, and this model starts with none of its own"),
            Self::EmptyStop => f.write_str("an empty stop string would end every answer at once"),
            Self::ContextOption { asked, trained } => {
                write!(
                    f,
                    "a context of {asked} tokens cannot be used; give 1 to {trained}, which the model was trained for"
                )
            }
            Self::Context { tokens, context } => {
                write!(
                    f,
                    "{tokens} tokens do not fit into the context of {context}; shorten the prompt or raise the context"
                )
            }
            Self::TokenId { id, vocab } => write!(f, "token id {id} is outside the model's vocabulary of {vocab}"),
            Self::NotFinite { place, position } => {
                let place = match place {
                    Place::Layer { number, of } => format!("layer {} of {of}", number + 1),
                    Place::Logits => "the logits".to_owned(),
                };
                write!(
                    f,
                    "the model computed NaN or infinity in {place} at position {position}; its weights are damaged, \
                     or need a wider cache type"
                )
            }
            Self::NothingToPick { position } => {
                write!(f, "logit bias and grammar leave no token to pick at position {position}")
            }
            Self::Grammar(e) => write!(f, "the schema or grammar can't be followed: {e}"),
            Self::ThoughtIntoAnswer { position } => write!(
                f,
                "the token at position {position} ends the thinking and begins the answer, which a grammar can't follow"
            ),
            Self::Session => f.write_str("the session belongs to another model or cache type"),
            Self::Kernel(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for InferError {}

impl From<GgufError> for InferError {
    fn from(e: GgufError) -> Self {
        Self::Gguf(e)
    }
}

impl From<ConfigError> for InferError {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}

impl From<TokenizerError> for InferError {
    fn from(e: TokenizerError) -> Self {
        Self::Tokenizer(e)
    }
}

impl From<HfError> for InferError {
    fn from(e: HfError) -> Self {
        Self::Folder(e)
    }
}

impl InferError {
    /// Whether the machine is to blame, and not what it was given.
    pub fn is_for_want_of_memory(&self) -> bool {
        matches!(self, Self::Kernel(bizra_kernels::Error::Memory { .. }))
    }
}

impl From<bizra_kernels::Error> for InferError {
    fn from(e: bizra_kernels::Error) -> Self {
        Self::Kernel(e)
    }
}
