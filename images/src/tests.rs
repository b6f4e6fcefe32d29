use super::*;

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[test]
fn names_are_unique_and_speak_of_a_machine() {
    for (index, image) in catalogue().iter().enumerate() {
        assert!(catalogue()[..index].iter().all(|other| other.name != image.name), "{} twice", image.name);
        assert!(!image.machines.is_empty(), "{} runs nowhere", image.name);
    }
}

#[test]
fn everything_fetched_is_pinned() {
    for image in catalogue() {
        match &image.from {
            Origin::Debian { sha256, .. } | Origin::Pypi { sha256, .. } => {
                assert!(is_sha256(sha256), "{}'s package", image.name);
                assert!(image.sha256.as_deref().is_some_and(is_sha256), "{}", image.name);
            }
            _ => assert_eq!(image.sha256, None, "{} is built here", image.name),
        }
    }
    for source in sources() {
        match &source.from {
            TreeOrigin::DebianSource { files, .. } => {
                assert!(!files.is_empty() && files.iter().all(|file| is_sha256(&file.sha256)));
            }
            TreeOrigin::Crate { sha256, .. } | TreeOrigin::Pypi { sha256, .. } => {
                assert!(is_sha256(sha256), "{}", source.name)
            }
        }
    }
}

#[test]
fn what_is_built_names_a_source_that_exists() {
    for image in catalogue() {
        match &image.from {
            Origin::Micropython { source: name, .. } => {
                assert!(source(name).is_some(), "{} wants {name}", image.name)
            }
            Origin::Guest { sources, .. } => {
                for name in sources {
                    let tree = source(name).unwrap_or_else(|| panic!("{} wants {name}", image.name));
                    assert!(tree.variable.is_some(), "{}'s Makefile does not get {name}", image.name);
                }
            }
            _ => (),
        }
    }
}

#[test]
fn what_ships_is_inside_and_equals_the_committed_file() {
    for image in catalogue().iter().filter(|image| matches!(image.from, Origin::Shipped { .. })) {
        let bytes = image.load().unwrap();
        assert!(matches!(bytes, Cow::Borrowed(_)), "{} is not embedded", image.name);
        assert_eq!(bytes, std::fs::read(image.path()).unwrap(), "{}", image.name);
        assert_eq!(&bytes[..4], b"\x7fELF", "{}", image.name);
    }
    assert!(SHIPPED.iter().all(|(name, _)| find(name).is_ok()));
}

/// One test for each image that is not shipped: where one is missing, that one says so, and tests of all images go on
/// without it.
macro_rules! there {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            find($name).unwrap().load().unwrap_or_else(|e| panic!("{e}"));
        })*
        const TESTED: &[&str] = &[$($name),*];
    };
}

there! {
    image_is_there_microbit_micropython "microbit-micropython"
    image_is_there_microbit_micropython_111 "microbit-micropython-1.1.1"
    image_is_there_an385_micropython "mps2-an385-micropython"
    image_is_there_an386_micropython "mps2-an386-micropython"
    image_is_there_an500_micropython "mps2-an500-micropython"
    image_is_there_riscv32_micropython "riscv32-virt-micropython"
    image_is_there_corners_an385 "corners-an385"
    image_is_there_corners_an386 "corners-an386"
    image_is_there_corners_an500 "corners-an500"
    image_is_there_corners_microbit "corners-microbit"
    image_is_there_freertos_an385 "freertos-an385"
    image_is_there_freertos_an386 "freertos-an386"
    image_is_there_freertos_an500 "freertos-an500"
    image_is_there_freertos_rv32 "freertos-rv32"
    image_is_there_net "net"
    image_is_there_bridge "bridge"
}

#[test]
fn mend_every_image_has_a_test_that_fails_alone() {
    let fetched = catalogue().iter().filter(|i| !matches!(i.from, Origin::Shipped { .. }));
    let untested: Vec<_> = fetched.map(|i| &i.name[..]).filter(|name| !TESTED.contains(name)).collect();
    assert_eq!(untested, [""; 0], "give them a line in `there!`");
}

#[test]
fn a_wrong_name_gets_the_nearest() {
    assert_eq!(find("microbit-micropython").unwrap().machines, ["microbit"]);
    let error = find("microbit-micropyton").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no image is called `microbit-micropyton`: did you mean `microbit-micropython`?"
    );
    assert_eq!(find("zzz").unwrap_err().to_string(), "no image is called `zzz`");
}

#[test]
fn an_absent_image_says_how_to_get_it() {
    let mut image = find("mps2-an385-micropython").unwrap().clone();
    image.file = "nowhere/firmware.elf".to_owned();
    assert!(!image.present());
    let message = image.load().unwrap_err().to_string();
    assert!(message.contains("cargo xtask images mps2-an385-micropython"), "{message}");
}

#[test]
fn a_changed_file_is_refused() {
    let mut image = find("microbit-micropython").unwrap().clone();
    let path = std::env::temp_dir().join(format!("flotilla-images-{}", std::process::id()));
    std::fs::write(&path, b"not the firmware").unwrap();
    image.file = path.to_str().unwrap().to_owned();
    assert!(matches!(image.load(), Err(Error::Changed { .. })));
    image.sha256 = Some(sha256(b"not the firmware"));
    assert_eq!(*image.load().unwrap(), *b"not the firmware");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn sha256_is_written_as_in_the_catalogue() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256(b""), empty);
}
