//! Which fields are chosen, and an object cut down to them.

use core::ops::Range;

use crate::json::{NotAnObject, Wanted, is_name, look_through};

/// The chosen fields as a tree. The root, which stands for the whole object, is the first.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    nodes: Vec<Node>,
}

/// A field that is chosen, or in which fields are.
#[derive(Debug)]
struct Node {
    name: String,
    /// The name in quotes, and the colon.
    label: Vec<u8>,
    /// In the order in which they were chosen. None of a field that is chosen itself.
    fields: Vec<usize>,
    is_chosen: bool,
    /// Where its value stands in the line that is looked at; empty if it has none.
    value: Range<usize>,
}

const ROOT: usize = 0;
/// The most chosen fields, and how deep they may lie.
const MAX_FIELDS: usize = 64;
const MAX_LEVELS: usize = 16;

impl Fields {
    /// Fields as in `user,card.last4`; `None` if it has none, too many, or one without a name.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        let mut fields = Self { nodes: vec![Node::new(String::new())] };
        let paths = split(list, ',');
        if paths.len() > MAX_FIELDS {
            return None;
        }
        for path in paths {
            fields.choose_path(split(path.trim_ascii(), '.'))?;
        }
        Some(fields)
    }

    fn choose_path(&mut self, path: Vec<&str>) -> Option<()> {
        if path.len() > MAX_LEVELS {
            return None;
        }
        let mut at = ROOT;
        for name in path {
            let name = without_backslashes(name);
            if name.is_empty() {
                return None;
            }
            let known = self.nodes[at].fields.iter().copied().find(|field| self.nodes[*field].name == name);
            at = known.unwrap_or_else(|| self.add(at, name));
        }
        self.nodes[at].is_chosen = true;
        Some(())
    }

    fn add(&mut self, object: usize, name: String) -> usize {
        let field = self.nodes.len();
        self.nodes.push(Node::new(name));
        self.nodes[object].fields.push(field);
        field
    }

    /// Appends a line's object, with the chosen fields only.
    pub(crate) fn choose(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), NotAnObject> {
        self.forget(ROOT);
        look_through(line, self, ROOT)?;
        self.write_object(ROOT, line, out);
        Ok(())
    }

    /// Forgets what was found of a field and in it.
    fn forget(&mut self, field: usize) {
        self.nodes[field].value = 0..0;
        for place in 0..self.nodes[field].fields.len() {
            self.forget(self.nodes[field].fields[place]);
        }
    }

    /// Whether there was anything to write.
    fn write_object(&self, object: usize, line: &[u8], out: &mut Vec<u8>) -> bool {
        out.push(b'{');
        let start = out.len();
        for field in &self.nodes[object].fields {
            let before = out.len();
            if before > start {
                out.push(b',');
            }
            if !self.write_field(*field, line, out) {
                out.truncate(before);
            }
        }
        out.push(b'}');
        out.len() > start + 1
    }

    fn write_field(&self, field: usize, line: &[u8], out: &mut Vec<u8>) -> bool {
        let node = &self.nodes[field];
        out.extend_from_slice(&node.label);
        if !node.is_chosen {
            return self.write_object(field, line, out);
        }
        out.extend_from_slice(&line[node.value.clone()]);
        !node.value.is_empty()
    }
}

impl Wanted for Fields {
    fn field(&self, object: usize, name: &[u8]) -> Option<usize> {
        self.nodes[object].fields.iter().copied().find(|field| is_name(name, &self.nodes[*field].name))
    }

    fn goes_on(&self, field: usize) -> bool {
        !self.nodes[field].is_chosen
    }

    fn found(&mut self, field: usize, value: Range<usize>) {
        self.forget(field);
        self.nodes[field].value = value;
    }
}

impl Node {
    fn new(name: String) -> Self {
        let label = label(&name);
        Self { name, label, fields: Vec::new(), is_chosen: false, value: 0..0 }
    }
}

/// The name as JSON has it in front of a value.
fn label(name: &str) -> Vec<u8> {
    let mut label = vec![b'"'];
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => label.extend([b'\\', byte]),
            0..0x20 => label.extend(format!("\\u{byte:04x}").bytes()),
            _ => label.push(byte),
        }
    }
    label.extend(b"\":");
    label
}

/// The parts between separators that have no backslash in front of them.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_escaped = false;
    text.split(move |char| {
        let is_border = char == separator && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_border
    })
    .collect()
}

fn without_backslashes(name: &str) -> String {
    let mut is_escaped = false;
    let mut plain = name.to_owned();
    plain.retain(|char| {
        is_escaped = char == '\\' && !is_escaped;
        !is_escaped
    });
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(fields: &str, line: &str) -> String {
        let mut out = b"before ".to_vec();
        let mut fields = Fields::parse(fields).expect("a list of fields");
        // What one line had is not in the next.
        for line in ["{\"a\":{\"b\":\"old\"},\"c\":\"old\"}", line] {
            out.truncate(7);
            fields.choose(line.as_bytes(), &mut out).expect("an object");
        }
        String::from_utf8(out.split_off(7)).expect("text")
    }

    #[test]
    fn in_the_order_in_which_they_are_chosen() {
        let line = r#" {"a": 1, "b" : [true, {"x": "y"}], "c":"d e"} "#;
        assert_eq!(chosen("c,a", line), r#"{"c":"d e","a":1}"#);
        assert_eq!(chosen("b", line), r#"{"b":[true, {"x": "y"}]}"#);
        assert_eq!(chosen("x, c ,c", line), r#"{"c":"d e"}"#);
        assert_eq!(chosen("x", line), "{}");
    }

    #[test]
    fn fields_within_fields() {
        let line = r#"{"a":{"b":1,"c":{"d":2,"e":3}},"b":{"b":4},"l":[{"b":5}]}"#;
        assert_eq!(chosen("a.c.e,a.b", line), r#"{"a":{"c":{"e":3},"b":1}}"#);
        assert_eq!(chosen("b.b,a.c", line), r#"{"b":{"b":4},"a":{"c":{"d":2,"e":3}}}"#);
        assert_eq!(chosen("a.b.x,a.x,x.b,l.b,b.b", line), r#"{"b":{"b":4}}"#);
        assert_eq!(chosen("a.b,a", line), chosen("a", line));
        assert_eq!(chosen("a,a.b", line), chosen("a", line));
    }

    #[test]
    fn the_last_one_counts() {
        assert_eq!(chosen("a", r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
        assert_eq!(chosen("a.b", r#"{"a":{"b":1},"a":{"c":2}}"#), "{}");
        assert_eq!(chosen("a.b", r#"{"a":{"b":1},"a":3}"#), "{}");
        assert_eq!(chosen("a.b", r#"{"a":{"b":1,"b":2}}"#), r#"{"a":{"b":2}}"#);
    }

    #[test]
    fn names_of_all_kinds() {
        let line = r#"{"a.b":1,"c,d":2,"e\\f":3,"\u0067":4,"\n":5,"ü \"":6}"#;
        assert_eq!(chosen(r"a\.b,c\,d,e\\f,g", line), r#"{"a.b":1,"c,d":2,"e\\f":3,"g":4}"#);
        assert_eq!(chosen("ü \"", line), r#"{"ü \"":6}"#);
        assert_eq!(chosen("x,x\ny", r#"{"x\ny":7}"#), r#"{"x\u000ay":7}"#);
    }

    #[test]
    fn what_is_no_list_of_fields() {
        for list in ["", ",", "a,", ".", "a..b", ".a", "a.", "a, ,b"] {
            assert!(Fields::parse(list).is_none(), "{list}");
        }
        let many = |count: usize, separator| vec!["a"; count].join(separator);
        assert!(Fields::parse(&many(64, ",")).is_some() && Fields::parse(&many(65, ",")).is_none());
        assert!(Fields::parse(&many(16, ".")).is_some() && Fields::parse(&many(17, ".")).is_none());
    }
}
