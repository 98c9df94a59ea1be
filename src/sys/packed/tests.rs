use bizra_kernels::{Format, Pool, quant};

use super::*;

/// A matrix of noise, packed.
fn packed(rows: usize, seed: u8) -> (Vec<u8>, Packed) {
    let values: Vec<f32> =
        (0..rows * 64).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 20) as f32 + f32::from(seed)).collect();
    let mut bytes = vec![0; Format::Q8_0.bytes(values.len()).expect("whole blocks")];
    quant::quantize(Format::Q8_0, &values, &mut bytes).expect("quantised");
    let packed = Packed::pack(&Pool::new(1), &matrix(rows, &bytes)).expect("packed");
    (bytes, packed)
}

fn matrix(rows: usize, bytes: &[u8]) -> Matrix<'_> {
    Matrix::new(Format::Q8_0, rows, 64, bytes).expect("a matrix")
}

struct Scene {
    folder: tempfile::TempDir,
    first: (Vec<u8>, Packed),
    second: (Vec<u8>, Packed),
}

const MODEL: Hash = [1; 32];

impl Scene {
    fn new() -> Scene {
        Scene { folder: tempfile::tempdir().expect("a folder"), first: packed(48, 1), second: packed(5, 2) }
    }

    fn cache(&self, limit: u64) -> PackedCache {
        PackedCache::at(self.folder.path().join("packed"), limit)
    }

    fn keep(&self, cache: &PackedCache, model: &Hash) -> bool {
        let matrices = [(1000u64, &self.first.1), (77, &self.second.1)];
        cache.keep(model, matrices.into_iter(), &|| false).expect("kept")
    }

    fn path(&self, model: &Hash) -> PathBuf {
        self.cache(1).path(model)
    }

    fn size(&self) -> u64 {
        let cache = self.cache(u64::MAX);
        self.keep(&cache, &MODEL);
        let size = fs::metadata(self.path(&MODEL)).expect("there").len();
        cache.clear().expect("cleared");
        size
    }
}

#[test]
fn what_was_kept_comes_back_bit_by_bit_and_nothing_else_does() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    assert!(cache.find(&MODEL).expect("no fault").is_none());
    assert!(scene.keep(&cache, &MODEL));
    assert!(!scene.keep(&cache, &MODEL), "it is there");
    let kept = cache.find(&MODEL).expect("no fault").expect("kept");
    for (offset, (bytes, packed), rows) in [(1000, &scene.first, 48), (77, &scene.second, 5)] {
        let found = kept.matrix(offset, &matrix(rows, bytes)).expect("there");
        assert!(found.as_bytes() == packed.as_bytes());
        assert_eq!((found.rows(), found.cols(), found.format()), (rows, 64, Format::Q8_0));
    }
    assert!(kept.matrix(78, &matrix(5, &scene.second.0)).is_none());
    assert!(cache.find(&[2; 32]).expect("no fault").is_none());
    assert!(scene.cache(0).find(&MODEL).expect("no fault").is_none(), "switched off");
    assert_eq!(cache.list().expect("listed").len(), 1);
    assert_eq!(cache.clear().expect("cleared").len(), 1);
    assert_eq!(fs::read_dir(cache.folder()).expect("the folder").count(), 0);
}

#[test]
fn every_byte_is_checked_where_a_file_is_not_the_one_that_was_checked() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    let path = scene.path(&MODEL);
    let good = fs::read(&path).expect("there");
    let fault = |bytes: &[u8]| {
        // Another file in its place: another inode or another time.
        fs::remove_file(&path).expect("removed");
        fs::write(&path, bytes).expect("written");
        let fault = cache.find(&MODEL).err().map(|e| e.message);
        assert_eq!(path.exists(), fault.is_none(), "what is damaged goes");
        if fault.is_some() {
            fs::write(&path, &good).expect("put back");
        }
        fault
    };
    assert_eq!(fault(&good), None);
    for at in (0..good.len()).step_by(97).chain(0..HEAD + 2 * ROW) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(fault(&bytes).is_some(), "byte {at}");
    }
    for len in [0, 1, HEAD - 1, HEAD, HEAD + ROW, good.len() / 2, good.len() - 1] {
        assert!(fault(&good[..len]).is_some(), "{len} bytes");
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(fault(&longer).as_deref(), Some("these packed weights are damaged: the length is another"));
    let mut bytes = good.clone();
    bytes[good.len() / 2] ^= 1;
    assert_eq!(fault(&bytes).as_deref(), Some("these packed weights are damaged: their hash is another"));
}

#[test]
fn a_file_is_hashed_once_and_then_trusted_while_it_stays_the_same() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    let list = cache.folder().join(LIST);
    fs::remove_file(&list).expect("removed");
    cache.find(&MODEL).expect("no fault").expect("kept");
    let line = fs::read_to_string(&list).expect("hashed, so listed");
    assert!(line.starts_with(&name_of(&MODEL, Packed::LAYOUT)), "{line}");
    fs::write(&list, "nonsense\n").expect("written");
    cache.find(&MODEL).expect("no fault").expect("kept");
    assert_eq!(fs::read_to_string(&list).expect("there"), line);
}

#[test]
fn a_table_that_points_outside_is_refused() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    let good = fs::read(scene.path(&MODEL)).expect("there");
    for value in [u64::MAX, good.len() as u64, u64::MAX - 4096] {
        let mut bytes = good.clone();
        bytes[HEAD + 8..HEAD + 16].copy_from_slice(&value.to_le_bytes());
        assert_eq!(parse(&bytes, &MODEL).expect_err("outside"), "a matrix lies outside");
    }
    let mut bytes = good;
    bytes[52..56].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(parse(&bytes, &MODEL).expect_err("too many"), "the header tells of too many matrices");
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let scene = Scene::new();
    let size = scene.size();
    let cache = scene.cache(3 * size);
    let models: [Hash; 4] = [[1; 32], [2; 32], [3; 32], [4; 32]];
    for model in &models[..3] {
        assert!(scene.keep(&cache, model));
    }
    cache.find(&models[0]).expect("no fault").expect("kept");
    assert!(scene.keep(&cache, &models[3]));
    let kept: Vec<Hash> = cache.list().expect("listed").into_iter().map(|entry| entry.model).collect();
    assert_eq!(kept, [models[3], models[0], models[2]]);
    assert!(!scene.keep(&scene.cache(size - 1), &[9; 32]), "larger than all may be");
    assert!(scene.keep(&scene.cache(size), &[9; 32]));
    assert_eq!(cache.list().expect("listed").len(), 1);
}

#[test]
fn only_our_own_files_are_counted_and_removed() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    let other_layout = name_of(&MODEL, Packed::LAYOUT + 1);
    for name in ["notes.txt", "x.packed", &other_layout, ".77.new"] {
        fs::write(cache.folder().join(name), b"four").expect("written");
    }
    let listed = cache.list().expect("listed");
    assert_eq!(listed.iter().map(|entry| entry.current).collect::<Vec<_>>(), [true, false]);
    assert_eq!(cache.clear().expect("cleared").len(), 2);
    let mut left: Vec<_> =
        fs::read_dir(cache.folder()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "x.packed"]);
}

#[cfg(unix)]
#[test]
fn where_nothing_can_be_written_the_error_says_so_and_nothing_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    // A file where the folder should be: no user may write there, not even root.
    let folder = scene.folder.path().join("taken");
    fs::write(&folder, b"").expect("written");
    let cache = PackedCache::at(folder.join("packed"), 1 << 20);
    let fault = cache.keep(&MODEL, [(0u64, &scene.first.1)].into_iter(), &|| false).expect_err("no folder");
    assert_eq!(fault.exit, Exit::Cannot);
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(cache.folder()), mode(&scene.path(&MODEL))), (0o700, 0o600));
}

#[test]
fn blocks_are_whole_and_lie_at_multiples_of_their_size() {
    #[derive(Default)]
    struct Sizes(Vec<usize>, Vec<u8>);
    impl Write for Sizes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bytes: Vec<u8> = (0..2 * BLOCK + 1000).map(|i| (i * 31 % 251) as u8).collect();
    let mut out = Hashed::new(Sizes::default());
    for part in bytes.chunks(777_777) {
        out.put(part).expect("written");
    }
    let Sizes(sizes, written) = out.end().expect("written");
    assert_eq!(sizes, [BLOCK, BLOCK, 1000 + 32]);
    assert!(written[..bytes.len()] == bytes && written[bytes.len()..] == *Sha256::digest(&bytes));
}

#[test]
fn halves_of_ended_processes_go_and_those_of_living_ones_stay() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    scene.keep(&cache, &MODEL);
    // No process has this number, and this one has its own.
    let (ended, living) = (".4999999.new".to_owned(), format!(".{}.new", std::process::id()));
    for half in [&ended, &living] {
        fs::write(cache.folder().join(half), b"half").expect("written");
    }
    assert!(cache.find(&MODEL).expect("no fault").is_some());
    assert!(!cache.folder().join(ended).exists() && cache.folder().join(living).exists());
}

#[test]
fn a_lower_limit_counts_at_the_next_start() {
    let scene = Scene::new();
    let size = scene.size();
    scene.keep(&scene.cache(size), &MODEL);
    assert!(scene.cache(size).find(&MODEL).expect("no fault").is_some());
    assert!(scene.cache(size - 1).find(&MODEL).expect("no fault").is_none());
    assert!(!scene.path(&MODEL).exists());
}

#[test]
fn what_is_no_file_is_refused_before_it_is_opened() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    fs::create_dir_all(scene.path(&MODEL)).expect("a folder in its place");
    let refused = cache.find(&MODEL).err().expect("it is none");
    assert_eq!(refused.message, "packed weights are a file, and this is none");
}

#[test]
fn who_stops_the_writing_leaves_nothing() {
    let scene = Scene::new();
    let cache = scene.cache(1 << 20);
    let matrices = [(1000u64, &scene.first.1)];
    assert!(!cache.keep(&MODEL, matrices.into_iter(), &|| true).expect("no fault"));
    let left: Vec<_> = fs::read_dir(cache.folder()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}
