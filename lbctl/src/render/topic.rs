//! A page of help: Markdown as a person at a terminal reads it.

use super::{Paint, Tone};
use crate::topic::Topic;

/// How wide the text is.
const WIDTH: usize = 96;
/// How far definitions and blocks stand in.
const INDENT: usize = 4;

/// Its title, then its text: paragraphs filled, what is defined above its definition, blocks as they are.
pub fn topic(topic: &Topic, paint: Paint) -> String {
    let mut page = Page { out: String::new(), paragraph: String::new(), indent: 0, paint };
    page.out = format!("{} - {}\n\n", paint.text(Tone::Strong, topic.name), topic.about);
    let mut in_block = false;
    for line in topic.text.lines() {
        match (line, line.strip_prefix(":   ")) {
            _ if line.starts_with("```") => {
                page.end();
                in_block = !in_block;
            }
            _ if in_block => page.out.push_str(format!("{:INDENT$}{line}", "").trim_end()),
            ("", _) => page.end(),
            (_, Some(text)) => {
                page.end();
                page.indent = INDENT;
                page.paragraph.push_str(text);
                continue;
            }
            _ => {
                page.paragraph.push_str(line);
                page.paragraph.push(' ');
                continue;
            }
        }
        if !page.out.ends_with("\n\n") && (in_block || line.is_empty()) && !line.starts_with("```") {
            page.out.push('\n');
        }
    }
    page.end();
    page.out
}

struct Page {
    out: String,
    paragraph: String,
    indent: usize,
    paint: Paint,
}

impl Page {
    /// The paragraph so far, filled.
    fn end(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        let indent = std::mem::take(&mut self.indent);
        let (mut text, mut column) = (String::new(), 0);
        for word in paragraph.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > WIDTH {
                text.push('\n');
                column = 0;
            }
            if column == 0 {
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += width;
        }
        if !text.is_empty() {
            self.out.push_str(&self.marked(&text));
            self.out.push('\n');
        }
    }

    /// With colour code stands out by itself; without, its quotes stay. A line of code alone needs neither.
    fn marked(&self, text: &str) -> String {
        let term = text.starts_with('`') && text.split('`').step_by(2).all(|part| matches!(part, "" | ", "));
        let mut out = String::new();
        for (at, part) in text.split('`').enumerate() {
            match (at % 2, self.paint) {
                (0, _) => out.push_str(&part.replace('*', "")),
                (_, Paint::Plain) if !term => out.push_str(&format!("`{part}`")),
                _ => out.push_str(&self.paint.text(Tone::Strong, part)),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_text_for_a_terminal() {
        let text = "One *generation*, of\n`a *`.\n\n`0`\n:   Done.\n\n`1`, `2`\n:   No.\n\n```sh\na\n\n  b\n```\nEnd.\n";
        let topic = Topic { name: "x", about: "about x", text };
        let plain = "x - about x\n\nOne generation, of `a *`.\n\n0\n    Done.\n\n1, 2\n    No.\n\n    a\n\n      b\nEnd.\n";
        assert_eq!(super::topic(&topic, Paint::Plain), plain);
        let coloured = super::topic(&topic, Paint::Colour);
        assert!(coloured.contains("of \u{1b}[1ma *\u{1b}[0m."), "{coloured}");
        let long = Topic {
            text: concat!(
                "word word word word word word word word word word word word word word word ",
                "word word word word word word word word word word"
            ),
            ..topic
        };
        assert!(super::topic(&long, Paint::Plain).lines().all(|line| line.len() <= WIDTH));
    }
}
