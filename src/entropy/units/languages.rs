//! Which language a file is in, and what its grammar calls the things that matter here.

use super::binders::Binder;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    TypeScript,
    Tsx,
    Go,
    C,
    Cpp,
    Java,
    Shell,
    /// Code in a language without a grammar here: cut by its content.
    Other,
}

/// A grammar, and the words it uses.
pub(super) struct Grammar {
    pub(super) language: tree_sitter::Language,
    /// Units by themselves.
    pub(super) functions: &'static [&'static str],
    /// Their members are units; what is left of them is one too.
    pub(super) types: &'static [&'static str],
    /// Only gone through: modules, namespaces, conditional compilation.
    pub(super) wrappers: &'static [&'static str],
    pub(super) imports: &'static [&'static str],
    pub(super) binders: &'static [Binder],
    /// Identifiers in this field of this node name a member or an argument, never something bound here.
    pub(super) members: &'static [(&'static str, &'static str)],
    /// Statements end with line ends as well as with semicolons.
    pub(super) optional_semicolons: bool,
    /// Blocks are told by indentation alone.
    pub(super) indented: bool,
}

const CODE_WITHOUT_GRAMMAR: &[&str] = &[
    "adb", "ads", "asm", "clj", "cljs", "cr", "cs", "cu", "cuh", "d", "dart", "elm", "erl", "ex", "exs", "f", "f03",
    "f90", "f95", "fs", "fsx", "glsl", "groovy", "hlsl", "hs", "jl", "kt", "kts", "lisp", "lua", "m", "metal", "ml",
    "mli", "mm", "nim", "pas", "php", "pl", "pm", "ps1", "proto", "r", "rb", "rkt", "s", "sc", "scala", "scm", "sol",
    "sql", "svelte", "swift", "tcl", "v", "vb", "vhd", "vhdl", "vue", "wgsl", "zig",
];

impl Language {
    /// Of a path, and where that doesn't tell, of the first line. `None`: no code.
    pub fn of(path: &str, first_line: &[u8]) -> Option<Language> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some((stem, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
            return of_shebang(first_line);
        };
        let extension = extension.to_ascii_lowercase();
        Some(match extension.as_str() {
            "rs" => Language::Rust,
            "py" | "pyi" => Language::Python,
            "js" | "mjs" | "cjs" | "jsx" => Language::JavaScript,
            "ts" | "mts" | "cts" => Language::TypeScript,
            "tsx" => Language::Tsx,
            "go" => Language::Go,
            "c" => Language::C,
            // Headers of both: the grammar of C++ reads those of C.
            "h" | "hh" | "hpp" | "hxx" | "cc" | "cpp" | "cxx" | "c++" | "inl" | "ipp" => Language::Cpp,
            "java" => Language::Java,
            "sh" | "bash" | "zsh" | "ksh" => Language::Shell,
            other if CODE_WITHOUT_GRAMMAR.binary_search(&other).is_ok() => Language::Other,
            _ if stem.ends_with('.') => return None,
            _ => return of_shebang(first_line),
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::TypeScript => "typescript",
            Language::Tsx => "tsx",
            Language::Go => "go",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Java => "java",
            Language::Shell => "shell",
            Language::Other => "other",
        }
    }

    pub(super) fn grammar(self) -> Option<Grammar> {
        use super::binders as b;
        let plain = Grammar {
            language: tree_sitter_rust::LANGUAGE.into(),
            functions: &[],
            types: &[],
            wrappers: &[],
            imports: &[],
            binders: &[],
            members: &[],
            optional_semicolons: false,
            indented: false,
        };
        Some(match self {
            Language::Rust => Grammar {
                functions: &["function_item", "function_signature_item"],
                types: &["impl_item", "trait_item"],
                wrappers: &["mod_item", "declaration_list", "foreign_mod_item", "extern_modifier"],
                imports: &["use_declaration", "extern_crate_declaration"],
                binders: b::RUST,
                ..plain
            },
            Language::Python => Grammar {
                language: tree_sitter_python::LANGUAGE.into(),
                functions: &["function_definition"],
                types: &["class_definition"],
                wrappers: &["decorated_definition", "block", "if_statement", "try_statement"],
                imports: &["import_statement", "import_from_statement", "future_import_statement"],
                binders: b::PYTHON,
                members: &[("attribute", "attribute"), ("keyword_argument", "name")],
                indented: true,
                ..plain
            },
            Language::JavaScript => Grammar {
                language: tree_sitter_javascript::LANGUAGE.into(),
                functions: JS_FUNCTIONS,
                types: JS_TYPES,
                wrappers: JS_WRAPPERS,
                imports: &["import_statement"],
                binders: b::JAVASCRIPT,
                optional_semicolons: true,
                ..plain
            },
            Language::TypeScript | Language::Tsx => Grammar {
                language: match self {
                    Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
                    _ => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
                },
                functions: JS_FUNCTIONS,
                types: JS_TYPES,
                wrappers: JS_WRAPPERS,
                imports: &["import_statement", "import_alias"],
                binders: b::TYPESCRIPT,
                optional_semicolons: true,
                ..plain
            },
            Language::Go => Grammar {
                language: tree_sitter_go::LANGUAGE.into(),
                functions: &["function_declaration", "method_declaration"],
                imports: &["import_declaration", "package_clause"],
                binders: b::GO,
                optional_semicolons: true,
                ..plain
            },
            Language::C => Grammar {
                language: tree_sitter_c::LANGUAGE.into(),
                functions: &["function_definition"],
                wrappers: C_WRAPPERS,
                imports: &["preproc_include"],
                binders: b::C,
                ..plain
            },
            Language::Cpp => Grammar {
                language: tree_sitter_cpp::LANGUAGE.into(),
                functions: &["function_definition"],
                types: &["class_specifier", "struct_specifier"],
                wrappers: C_WRAPPERS,
                imports: &["preproc_include", "using_declaration"],
                binders: b::C,
                ..plain
            },
            Language::Java => Grammar {
                language: tree_sitter_java::LANGUAGE.into(),
                functions: &["method_declaration", "constructor_declaration", "compact_constructor_declaration"],
                types: &["class_declaration", "interface_declaration", "enum_declaration", "record_declaration"],
                wrappers: &["class_body", "interface_body", "enum_body", "enum_body_declarations"],
                imports: &["import_declaration", "package_declaration"],
                binders: b::JAVA,
                members: &[("field_access", "field"), ("method_invocation", "name")],
                ..plain
            },
            Language::Shell => Grammar {
                language: tree_sitter_bash::LANGUAGE.into(),
                functions: &["function_definition"],
                optional_semicolons: true,
                ..plain
            },
            Language::Other => return None,
        })
    }
}

const JS_FUNCTIONS: &[&str] =
    &["function_declaration", "generator_function_declaration", "method_definition", "function_signature"];
const JS_TYPES: &[&str] = &["class_declaration", "abstract_class_declaration", "class"];
const JS_WRAPPERS: &[&str] = &["export_statement", "class_body", "internal_module", "module", "statement_block"];
const C_WRAPPERS: &[&str] = &[
    "preproc_if",
    "preproc_ifdef",
    "preproc_else",
    "preproc_elif",
    "linkage_specification",
    "namespace_definition",
    "declaration_list",
    "field_declaration_list",
    "template_declaration",
];

fn of_shebang(first_line: &[u8]) -> Option<Language> {
    let line = std::str::from_utf8(first_line.split(|b| *b == b'\n').next()?).ok()?;
    let command = line.strip_prefix("#!")?;
    let program = command.split_whitespace().find(|word| !word.ends_with("/env") && !word.starts_with('-'))?;
    let name = program.rsplit('/').next()?.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match name {
        "sh" | "bash" | "zsh" | "ksh" | "dash" => Some(Language::Shell),
        "python" => Some(Language::Python),
        "node" | "deno" | "bun" => Some(Language::JavaScript),
        "perl" | "ruby" | "lua" | "php" | "Rscript" | "tclsh" => Some(Language::Other),
        _ => None,
    }
}

/// Whether a path says, by the customs of its language, that it holds tests.
pub fn is_test_path(path: &str) -> bool {
    let mut parts = path.split('/').rev();
    let name = parts.next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    let folder = parts.any(|part| matches!(part, "test" | "tests" | "testing" | "__tests__" | "spec" | "specs"));
    folder
        || name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || (name.ends_with(".java") && (stem.ends_with("Test") || stem.ends_with("Tests")))
}
