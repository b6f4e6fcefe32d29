//! Plain data as a flat list of named values, so that two states can be compared and their differences named.
//!
//! A third reader of what [`crate::save`] writes: `uart0.rx[3]` is the fourth element of the field `rx`. Register banks
//! show their registers by the manual's names.

use serde::ser::{self, Serialize};
use std::fmt::{self, Display};

/// Paths and values, in the order of the data.
pub type Fields = Vec<(String, String)>;

/// The fields of `value`, each path beginning with `root`.
pub fn fields<T: Serialize + ?Sized>(root: &str, value: &T) -> Fields {
    let mut flat = Flat { path: root.into(), out: vec![] };
    // Plain data always encodes.
    let _ = value.serialize(&mut flat);
    flat.out
}

/// A value that two lists of fields do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// The value in the one; `None`: it has no such field.
    pub one: Option<String>,
    /// The value in the other.
    pub other: Option<String>,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |v: &Option<String>| v.clone().unwrap_or_else(|| "absent".into());
        write!(f, "{}: {} / {}", self.path, text(&self.one), text(&self.other))
    }
}

/// Where two lists of fields differ, in the order of `one`; then what only `other` has.
pub fn differences(one: &Fields, other: &Fields) -> Vec<Difference> {
    let theirs: std::collections::BTreeMap<_, _> = other.iter().map(|(p, v)| (p, v)).collect();
    let ours: std::collections::BTreeSet<_> = one.iter().map(|(p, _)| p).collect();
    let changed = one.iter().filter(|(p, v)| theirs.get(p) != Some(&v)).map(|(path, v)| Difference {
        path: path.clone(),
        one: Some(v.clone()),
        other: theirs.get(path).map(|v| v.to_string()),
    });
    let added = other.iter().filter(|(p, _)| !ours.contains(p)).map(|(path, v)| Difference {
        path: path.clone(),
        one: None,
        other: Some(v.clone()),
    });
    changed.chain(added).collect()
}

struct Flat {
    path: String,
    out: Fields,
}

/// No plain data brings it about.
#[derive(Debug)]
struct Never(String);

impl Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Never {}
impl ser::Error for Never {
    fn custom<T: Display>(msg: T) -> Never {
        Never(msg.to_string())
    }
}

impl Flat {
    fn put(&mut self, value: impl Display) -> Result<(), Never> {
        self.out.push((self.path.clone(), value.to_string()));
        Ok(())
    }

    fn within<T: Serialize + ?Sized>(&mut self, step: &str, value: &T) -> Result<(), Never> {
        let length = self.path.len();
        self.path += step;
        let done = value.serialize(&mut *self);
        self.path.truncate(length);
        done
    }

    fn many(&mut self, variant: Option<&str>) -> Many<'_> {
        let length = self.path.len();
        if let Some(v) = variant {
            self.path += ".";
            self.path += v;
        }
        Many { flat: self, length, count: 0, key: None }
    }
}

/// Something that has parts.
struct Many<'a> {
    flat: &'a mut Flat,
    /// Of the path without a variant's name.
    length: usize,
    count: usize,
    key: Option<String>,
}

impl Many<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        let step = format!("[{}]", self.count);
        self.count += 1;
        self.flat.within(&step, value)
    }
    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Never> {
        self.flat.within(&format!(".{name}"), value)
    }
    fn counted(self) -> Result<(), Never> {
        let count = self.count;
        self.flat.within(".count", &count)
    }
    fn done(self) -> Result<(), Never> {
        self.flat.path.truncate(self.length);
        Ok(())
    }
}

macro_rules! plain {
    ($($method:ident $type:ty),*) => { $(
        fn $method(self, v: $type) -> Result<(), Never> { self.put(v) }
    )* };
}

impl<'a> ser::Serializer for &'a mut Flat {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Many<'a>;
    type SerializeTuple = Many<'a>;
    type SerializeTupleStruct = Many<'a>;
    type SerializeTupleVariant = Many<'a>;
    type SerializeMap = Many<'a>;
    type SerializeStruct = Many<'a>;
    type SerializeStructVariant = Many<'a>;

    plain!(serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_char char, serialize_str &str);

    // `Display` of a float does not tell -0 from 0, nor one NaN from another.
    fn serialize_f32(self, v: f32) -> Result<(), Never> {
        self.put(format_args!("{v:?} ({:#010x})", v.to_bits()))
    }
    fn serialize_f64(self, v: f64) -> Result<(), Never> {
        self.put(format_args!("{v:?} ({:#018x})", v.to_bits()))
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), Never> {
        v.serialize(self)
    }
    fn serialize_none(self) -> Result<(), Never> {
        self.put("none")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<(), Never> {
        v.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Never> {
        self.put("()")
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Never> {
        self.put(name)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Never> {
        self.put(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<(), Never> {
        v.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        v: &T,
    ) -> Result<(), Never> {
        self.within(&format!(".{variant}"), v)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Many<'a>, Never> {
        Ok(self.many(None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Many<'a>, Never> {
        Ok(self.many(None))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Many<'a>, Never> {
        Ok(self.many(None))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Many<'a>, Never> {
        Ok(self.many(Some(variant)))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Many<'a>, Never> {
        Ok(self.many(None))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Many<'a>, Never> {
        Ok(self.many(None))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Many<'a>, Never> {
        Ok(self.many(Some(variant)))
    }
    /// So that addresses show as people write them, and banks by the names of their registers.
    fn is_human_readable(&self) -> bool {
        true
    }
}

impl ser::SerializeSeq for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Never> {
        self.element(v)
    }
    fn end(self) -> Result<(), Never> {
        self.counted()
    }
}
impl ser::SerializeTuple for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Never> {
        self.element(v)
    }
    fn end(self) -> Result<(), Never> {
        self.done()
    }
}
impl ser::SerializeTupleStruct for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Never> {
        self.element(v)
    }
    fn end(self) -> Result<(), Never> {
        self.done()
    }
}
impl ser::SerializeTupleVariant for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Never> {
        self.element(v)
    }
    fn end(self) -> Result<(), Never> {
        self.done()
    }
}
impl ser::SerializeMap for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        let parts: Vec<_> = fields("", key).into_iter().map(|(_, v)| v).collect();
        self.key = Some(format!("[{}]", parts.join(", ")));
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Never> {
        let key = self.key.take().unwrap_or_default();
        self.count += 1;
        self.flat.within(&key, v)
    }
    fn end(self) -> Result<(), Never> {
        self.counted()
    }
}
impl ser::SerializeStruct for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, v: &T) -> Result<(), Never> {
        self.named(name, v)
    }
    fn end(self) -> Result<(), Never> {
        self.done()
    }
}
impl ser::SerializeStructVariant for Many<'_> {
    type Ok = ();
    type Error = Never;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, v: &T) -> Result<(), Never> {
        self.named(name, v)
    }
    fn end(self) -> Result<(), Never> {
        self.done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    enum Kind {
        Idle,
        Busy { left: u8 },
        Pair(u8, bool),
    }

    #[derive(Serialize)]
    struct State {
        queue: Vec<u16>,
        kind: Kind,
        due: Option<u64>,
        seen: BTreeMap<(u8, char), f64>,
    }

    fn state(queue: Vec<u16>, kind: Kind) -> Fields {
        fields("dev", &State { queue, kind, due: None, seen: BTreeMap::from([((1, 'x'), -0.0)]) })
    }

    #[test]
    fn every_value_has_a_path() {
        let shown: Vec<_> =
            state(vec![7], Kind::Pair(3, true)).iter().map(|(p, v)| format!("{p}={v}")).collect();
        let wanted = [
            "dev.queue[0]=7",
            "dev.queue.count=1",
            "dev.kind.Pair[0]=3",
            "dev.kind.Pair[1]=true",
            "dev.due=none",
            "dev.seen[1, x]=-0.0 (0x8000000000000000)",
            "dev.seen.count=1",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn differences_are_named_on_both_sides() {
        let (a, b) = (state(vec![7, 8], Kind::Idle), state(vec![7], Kind::Busy { left: 2 }));
        let shown: Vec<_> = differences(&a, &b).iter().map(Difference::to_string).collect();
        let wanted = [
            "dev.queue[1]: 8 / absent",
            "dev.queue.count: 2 / 1",
            "dev.kind: Idle / absent",
            "dev.kind.Busy.left: absent / 2",
        ];
        assert_eq!(shown, wanted);
        assert!(differences(&a, &a).is_empty());
    }
}
