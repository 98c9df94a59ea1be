//! Plausible values of a type that are likely wrong: what a function returns in the place of its work.

use syn::{GenericArgument, PathArguments, Type};

/// As expressions. None for a type that can't be named as one value.
pub(super) fn of(ty: &Type) -> Vec<String> {
    let mut values = some_of(ty);
    values.truncate(MOST);
    values
}

/// A function is not asked more often than that.
const MOST: usize = 5;

fn some_of(ty: &Type) -> Vec<String> {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_string()).collect::<Vec<_>>();
    match ty {
        Type::Paren(inner) => some_of(&inner.elem),
        Type::Group(inner) => some_of(&inner.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => texts(&["()"]),
        Type::Tuple(tuple) => {
            // Each part in turn, the others at their first value.
            let parts: Vec<Vec<String>> = tuple.elems.iter().map(some_of).collect();
            let Some(first) = parts.iter().map(|part| part.first().cloned()).collect::<Option<Vec<_>>>() else {
                return Vec::new();
            };
            let mut all = vec![first.clone()];
            for (at, part) in parts.iter().enumerate() {
                for value in part.iter().skip(1) {
                    let mut one = first.clone();
                    one[at].clone_from(value);
                    all.push(one);
                }
            }
            all.into_iter().map(|parts| format!("({},)", parts.join(", "))).collect()
        }
        Type::Array(array) => some_of(&array.elem).into_iter().map(|value| format!("[{value}; _]")).collect(),
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") && reference.mutability.is_none() => {
                texts(&["\"\"", "\"xyzzy\""])
            }
            Type::Slice(slice) => {
                let whole = |value: String| format!("Vec::leak(vec![{value}])");
                [String::new()].into_iter().chain(some_of(&slice.elem)).map(whole).collect()
            }
            Type::TraitObject(_) => Vec::new(),
            inner => some_of(inner).into_iter().map(|value| format!("Box::leak(Box::new({value}))")).collect(),
        },
        Type::Path(path) => of_path(&path.path),
        _ => Vec::new(),
    }
}

fn of_path(path: &syn::Path) -> Vec<String> {
    let Some(last) = path.segments.last() else { return Vec::new() };
    let inner: Vec<&Type> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            let types = arguments.args.iter();
            types
                .filter_map(|argument| if let GenericArgument::Type(ty) = argument { Some(ty) } else { None })
                .collect()
        }
        _ => Vec::new(),
    };
    let wrapped = |before: &str, after: &str| -> Vec<String> {
        let values = inner.first().map_or_else(|| vec![DEFAULT.to_string()], |ty| some_of(ty));
        values.into_iter().map(|value| format!("{before}{value}{after}")).collect()
    };
    let with = |first: &str, rest: Vec<String>| std::iter::once(first.to_string()).chain(rest).collect();
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_string()).collect();
    match last.ident.to_string().as_str() {
        "bool" => texts(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => texts(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => texts(&["0", "1", "-1"]),
        "f32" | "f64" => texts(&["0.0", "1.0", "-1.0"]),
        "String" => texts(&["String::new()", "\"xyzzy\".to_string()"]),
        "Vec" => with("Vec::new()", wrapped("vec![", "]")),
        "Option" => with("None", wrapped("Some(", ")")),
        "Result" => wrapped("Ok(", ")"),
        "Box" => wrapped("Box::new(", ")"),
        "Rc" => wrapped("std::rc::Rc::new(", ")"),
        "Arc" => wrapped("std::sync::Arc::new(", ")"),
        "Cow" => texts(&["std::borrow::Cow::Borrowed(\"xyzzy\")", DEFAULT]),
        _ => texts(&[DEFAULT]),
    }
}

const DEFAULT: &str = "Default::default()";

#[cfg(test)]
mod tests {
    fn values(ty: &str) -> String {
        super::of(&syn::parse_str(ty).unwrap()).join(" | ")
    }

    #[test]
    fn values_are_of_their_type() {
        assert_eq!(values("bool"), "true | false");
        assert_eq!(values("i64"), "0 | 1 | -1");
        assert_eq!(values("&'a str"), "\"\" | \"xyzzy\"");
        assert_eq!(values("Option<&str>"), "None | Some(\"\") | Some(\"xyzzy\")");
        assert_eq!(values("std::result::Result<(), Fault>"), "Ok(())");
        assert_eq!(values("fmt::Result"), "Ok(Default::default())");
        assert_eq!(values("Vec<u8>"), "Vec::new() | vec![0] | vec![1]");
        assert_eq!(values("&[u8]"), "Vec::leak(vec![]) | Vec::leak(vec![0]) | Vec::leak(vec![1])");
        assert_eq!(values("[u8; 32]"), "[0; _] | [1; _]");
        assert_eq!(values("(u8, bool)"), "(0, true,) | (1, true,) | (0, false,)");
        assert_eq!(values("Box<Named>"), "Box::new(Default::default())");
        assert_eq!(values("Result<Option<i8>>"), "Ok(None) | Ok(Some(0)) | Ok(Some(1)) | Ok(Some(-1))");
    }

    #[test]
    fn a_type_without_a_name_has_no_values() {
        assert_eq!(values("impl Iterator<Item = u8>"), "");
        assert_eq!(values("!"), "");
        assert_eq!(values("&dyn Fn()"), "");
        assert_eq!(values("(impl Fn(), u8)"), "");
    }
}
