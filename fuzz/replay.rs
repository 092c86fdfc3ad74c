//! Replays a corpus in a plain test: the property holds for each input that is kept.

use std::path::Path;

/// Gives every input of `corpus/<target>` to `holds`.
pub fn corpus(target: &str, holds: fn(&[u8])) {
    let mut count = 0;
    each(&format!("../../fuzz/corpus/{target}"), |path, input| {
        input_holds(path, input, holds);
        count += 1;
    });
    assert!(count > 0, "no input for {target}");
}

/// Reads every file of a folder, which is named from the folder of the crate that is tested.
pub fn each(folder: &str, mut take: impl FnMut(&Path, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for file in std::fs::read_dir(folder).expect("a corpus") {
        let path = file.unwrap().path();
        take(&path, &std::fs::read(&path).unwrap());
    }
}

/// Names the file of an input for which the property does not hold.
pub fn input_holds(path: &Path, input: &[u8], holds: fn(&[u8])) {
    assert!(
        std::panic::catch_unwind(|| holds(input)).is_ok(),
        "the property does not hold for {}",
        path.display()
    );
}
