//! The source of a GPU kernel, with what it includes.

/// A file's text under the name that messages give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// What the source may include: file name and text. In WGSL, which knows no including, texts that stand before it.
    pub headers: Vec<(String, String)>,
}

/// What every CUDA kernel may include: the structs of sizes.
pub const INTERFACE: (&str, &str) = ("bizra_gpu.h", include_str!("bizra_gpu.h"));

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into(), headers: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: impl Into<String>, text: impl Into<String>) -> Source {
        self.headers.push((name.into(), text.into()));
        self
    }

    pub fn is_cuda(&self) -> bool {
        !self.name.ends_with(".wgsl") && !self.is_python()
    }

    pub fn is_python(&self) -> bool {
        self.name.ends_with(".py")
    }

    /// The lines of all texts, and where a line of them stands in its own file.
    pub fn joined<'s>(&'s self) -> (String, impl Fn(usize) -> (&'s str, usize)) {
        let parts: Vec<(&'s str, &'s str)> = self
            .headers
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .chain([(self.name.as_str(), self.text.as_str())])
            .collect();
        let text = parts.iter().map(|(_, text)| text.trim_end_matches('\n')).collect::<Vec<_>>().join("\n") + "\n";
        let place = move |line: usize| {
            let mut rest = line;
            for (name, text) in &parts[..parts.len() - 1] {
                let lines = text.trim_end_matches('\n').split('\n').count();
                if rest <= lines {
                    return (*name, rest);
                }
                rest -= lines;
            }
            (parts[parts.len() - 1].0, rest)
        };
        (text, place)
    }

    /// This project's own GPU kernels.
    #[cfg(test)]
    pub(crate) fn ours() -> Vec<Source> {
        macro_rules! cuda {
            ($($name:literal),*) => { [$(Source::new($name, include_str!(concat!("../", $name)))
                .with(INTERFACE.0, INTERFACE.1)
                .with("reduce.cuh", include_str!("reduce.cuh"))
                .with("attend.cuh", include_str!("attend.cuh"))),*] };
        }
        macro_rules! wgsl {
            ($($name:literal [$($before:literal)*]),*) => { [$(Source::new($name, include_str!(concat!("../", $name)))
                $(.with($before, include_str!($before)))*),*] };
        }
        let cuda = cuda![
            "softmax/softmax.cu",
            "rmsnorm/rmsnorm.cu",
            "matmul/quantised.cu",
            "attention/attention.cu",
            "attention/flash.cu"
        ];
        let wgsl = wgsl![
            "softmax/softmax.wgsl" ["math.wgsl" "reduce.wgsl"],
            "rmsnorm/rmsnorm.wgsl" ["math.wgsl" "reduce.wgsl"],
            "matmul/quantised.wgsl" [],
            "attention/attention.wgsl" ["math.wgsl" "reduce.wgsl" "attend.wgsl"],
            "attention/flash.wgsl" ["math.wgsl" "attend.wgsl"]
        ];
        cuda.into_iter().chain(wgsl).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_joined_texts_are_found_in_their_files() {
        let source = Source::new("c.wgsl", "five\nsix\n").with("a.wgsl", "one\ntwo\n").with("b.wgsl", "three\nfour");
        let (text, place) = source.joined();
        let found: Vec<_> = text.lines().enumerate().map(|(i, line)| (line, place(i + 1))).collect();
        assert_eq!(found[0], ("one", ("a.wgsl", 1)));
        assert_eq!(found[2], ("three", ("b.wgsl", 1)));
        assert_eq!(found[4], ("five", ("c.wgsl", 1)));
        assert_eq!(found[5], ("six", ("c.wgsl", 2)));
    }

    /// The structs of sizes are written down in both languages; fields and order have to agree.
    #[test]
    fn wgsl_and_cuda_agree_on_sizes() {
        let fields = |text: &str, start: &str, typed: bool| -> Vec<String> {
            let body = text.split_once(start).unwrap_or_else(|| panic!("no {start}")).1;
            let body = body.split_once('{').unwrap().1.split_once('}').unwrap().0;
            let code: Vec<&str> = body.lines().map(|l| l.split("/*").next().unwrap().trim()).collect();
            let names = code.join(" ").replace(['\n', ';'], ",").replace("unsigned ", "").replace("float ", "");
            let name = |f: &str| f.split(':').next().unwrap().trim().to_owned();
            names
                .split(',')
                .map(|f| if typed { name(f) } else { f.trim().to_owned() })
                .filter(|f| !f.is_empty())
                .collect()
        };
        let rows = fields(INTERFACE.1, "struct bizra_rows", false);
        assert_eq!(rows, ["rows", "cols", "x_stride", "y_stride", "eps"]);
        assert_eq!(fields(include_str!("../softmax/softmax.wgsl"), "struct Rows", true), rows);
        assert_eq!(fields(include_str!("../rmsnorm/rmsnorm.wgsl"), "struct Rows", true), rows);
        let matmul = fields(INTERFACE.1, "struct bizra_matmul", false);
        assert_eq!(fields(include_str!("../matmul/quantised.wgsl"), "struct Matmul", true), matmul);
        let attention = fields(INTERFACE.1, "struct bizra_attention", false);
        assert_eq!(attention.len(), 22);
        assert_eq!(fields(include_str!("attend.wgsl"), "struct Attention", true), attention);
    }
}
