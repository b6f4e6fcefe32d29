use super::*;

#[test]
fn patterns_find_the_first_match() {
    assert_eq!(Pattern::Text("b".into()).find(b"abab"), Some(2));
    assert_eq!(Pattern::Text("x".into()).find(b"abab"), None);
    let r = Pattern::Regex(regex::bytes::Regex::new("[0-9]+").unwrap());
    assert_eq!(r.find(b"ab 42 7"), Some(5));
}
