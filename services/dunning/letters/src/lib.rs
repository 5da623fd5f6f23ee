//! What notices say: templates and their rendering, without I/O.
//!
//! A [`Letter`] holds the facts of one notice, and [`render`] makes of it a subject, a plain text and an HTML page that
//! say the same: the wording of both comes from the same blocks of the same template (`templates/<language>/<key>.txt`,
//! with what all of a language share in `layout.txt`), and only the layout around it differs (`letter.txt`,
//! `letter.html`). The same letter always renders to the same bytes.
//!
//! Rendering is strict. A variable that a template does not know, an amount that does not add up or a statement that a
//! statute demands and nobody supplied is an error, never an empty space in a letter.

mod currency;
mod format;
mod letter;
mod render;
mod table;
mod template;
mod words;
mod wrap;

pub use format::Language;
pub use letter::{Letter, LetterItem, LetterLine, MAX_ITEMS, MAX_LINES};
pub use render::{RenderError, Rendered, render};
pub use template::template_keys;
