//! What each HTML element means to parsing (WHATWG HTML, section 13.2) and to reading.

use html5gum::State;

/// Has no content and no end tag.
pub(crate) const VOID: u32 = 1;
/// Stands apart from the text before and after it.
pub(crate) const BLOCK: u32 = 1 << 1;
/// Stands in a line, but separates words: table cells and controls.
pub(crate) const SPACED: u32 = 1 << 2;
/// Not part of the readable text.
pub(crate) const SKIP: u32 = 1 << 3;
/// Never shown as text at all.
pub(crate) const DEAD: u32 = 1 << 4;
/// Its start tag ends an open paragraph.
pub(crate) const CLOSES_P: u32 = 1 << 5;
/// Its end tag closes it when it is in scope, with all that is open inside.
pub(crate) const SCOPED_END: u32 = 1 << 6;
/// `special` in the standard: the end tag of an ordinary element does not reach past it.
pub(crate) const SPECIAL: u32 = 1 << 7;
/// Its start tag ends SVG and `MathML`.
pub(crate) const BREAKOUT: u32 = 1 << 8;
/// Bounds the default scope, and so the list item and button scopes.
pub(crate) const BOUND: u32 = 1 << 9;
/// Bounds the list item scope.
pub(crate) const LIST_BOUND: u32 = 1 << 10;
/// Bounds the button scope.
pub(crate) const BUTTON_BOUND: u32 = 1 << 11;
/// Bounds the table scope.
pub(crate) const TABLE_BOUND: u32 = 1 << 12;
/// Special, and yet a list item start tag looks past it for an open item.
pub(crate) const ITEM_PASS: u32 = 1 << 13;
/// Keeps its white space.
pub(crate) const PRE: u32 = 1 << 14;
/// Belongs to a table and is ignored outside of one.
pub(crate) const TABLE_PART: u32 = 1 << 15;

/// Most blocks: special, close a paragraph, end in scope, break out of SVG.
const PLAIN: u32 = BLOCK | CLOSES_P | SCOPED_END | SPECIAL;
const META: u32 = VOID | SPECIAL | DEAD;
const RAW: u32 = SPECIAL | SKIP | DEAD;
const TITLE: u32 = BLOCK | CLOSES_P | SPECIAL | BREAKOUT;
const ROWS: u32 = BLOCK | SPECIAL | TABLE_PART;
const CELL: u32 = SPACED | SPECIAL | BOUND | TABLE_PART;
const CONTROL: u32 = SPACED | SKIP;
const EMBED: u32 = SKIP | DEAD;

macro_rules! tags {
    ($($tag:ident $name:literal $props:expr,)*) => {
        /// A known element, or [`Tag::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Tag { $($tag,)* Other }

        impl Tag {
            /// The number of tags.
            pub(crate) const COUNT: usize = Tag::Other as usize + 1;

            /// The tag of an element's name in lower case.
            pub(crate) fn of(name: &[u8]) -> Self {
                match name { $($name => Self::$tag,)* _ => Self::Other }
            }

            /// All that holds for it, as bits.
            pub(crate) fn props(self) -> u32 {
                const PROPS: [u32; Tag::COUNT] = [$($props,)* 0];
                PROPS[self as usize]
            }
        }
    };
}

tags! {
    A b"a" 0,
    Address b"address" PLAIN | ITEM_PASS,
    Applet b"applet" SPECIAL | SCOPED_END | BOUND | EMBED,
    Area b"area" META,
    Article b"article" PLAIN,
    Aside b"aside" PLAIN | SKIP,
    Audio b"audio" EMBED,
    B b"b" BREAKOUT,
    Base b"base" META,
    Basefont b"basefont" META,
    Bgsound b"bgsound" META,
    Big b"big" BREAKOUT,
    Blockquote b"blockquote" PLAIN | BREAKOUT,
    Body b"body" SPECIAL | BREAKOUT,
    Br b"br" VOID | SPECIAL | BREAKOUT,
    Button b"button" CONTROL | SPECIAL | SCOPED_END | BUTTON_BOUND,
    Canvas b"canvas" EMBED,
    Caption b"caption" BLOCK | SPECIAL | BOUND | TABLE_PART,
    Center b"center" PLAIN | BREAKOUT,
    Code b"code" BREAKOUT,
    Col b"col" META,
    Colgroup b"colgroup" META,
    Datalist b"datalist" CONTROL,
    Dd b"dd" BLOCK | SPECIAL | SCOPED_END | BREAKOUT,
    Details b"details" PLAIN,
    Dialog b"dialog" BLOCK | CLOSES_P | SCOPED_END,
    Dir b"dir" PLAIN,
    Div b"div" PLAIN | BREAKOUT | ITEM_PASS,
    Dl b"dl" PLAIN | BREAKOUT,
    Dt b"dt" BLOCK | SPECIAL | SCOPED_END | BREAKOUT,
    Em b"em" BREAKOUT,
    Embed b"embed" META | BREAKOUT,
    Fieldset b"fieldset" PLAIN,
    Figcaption b"figcaption" PLAIN,
    Figure b"figure" PLAIN,
    Footer b"footer" PLAIN | SKIP,
    Form b"form" BLOCK | CLOSES_P | SPECIAL,
    Frame b"frame" META,
    Frameset b"frameset" SPECIAL,
    H1 b"h1" TITLE,
    H2 b"h2" TITLE,
    H3 b"h3" TITLE,
    H4 b"h4" TITLE,
    H5 b"h5" TITLE,
    H6 b"h6" TITLE,
    Head b"head" SPECIAL | BREAKOUT,
    Header b"header" PLAIN | SKIP,
    Hgroup b"hgroup" PLAIN,
    Hr b"hr" VOID | BLOCK | CLOSES_P | SPECIAL | BREAKOUT,
    Html b"html" SPECIAL,
    I b"i" BREAKOUT,
    Iframe b"iframe" RAW,
    Image b"image" META,
    Img b"img" META | BREAKOUT,
    Input b"input" META | SPACED,
    Keygen b"keygen" META | SPACED,
    Legend b"legend" BLOCK,
    Li b"li" BLOCK | SPECIAL | BREAKOUT,
    Link b"link" META,
    Listing b"listing" PLAIN | PRE | BREAKOUT,
    Main b"main" PLAIN,
    Marquee b"marquee" SPECIAL | SCOPED_END | BOUND,
    Math b"math" 0,
    Menu b"menu" PLAIN | BREAKOUT,
    Meta b"meta" META | BREAKOUT,
    Meter b"meter" CONTROL,
    Nav b"nav" PLAIN | SKIP,
    Nobr b"nobr" BREAKOUT,
    Noembed b"noembed" RAW,
    Noframes b"noframes" RAW,
    Noscript b"noscript" RAW,
    Object b"object" SPECIAL | SCOPED_END | BOUND | EMBED,
    Ol b"ol" PLAIN | LIST_BOUND | BREAKOUT,
    Optgroup b"optgroup" CONTROL,
    Option b"option" CONTROL,
    P b"p" BLOCK | CLOSES_P | SPECIAL | BREAKOUT | ITEM_PASS,
    Param b"param" META,
    Plaintext b"plaintext" BLOCK | CLOSES_P | SPECIAL | PRE,
    Pre b"pre" PLAIN | PRE | BREAKOUT,
    Progress b"progress" CONTROL,
    Rp b"rp" SKIP,
    Rt b"rt" 0,
    Ruby b"ruby" BREAKOUT,
    S b"s" BREAKOUT,
    Script b"script" RAW,
    Search b"search" PLAIN,
    Section b"section" PLAIN,
    Select b"select" CONTROL | SPECIAL | SCOPED_END | BOUND,
    Small b"small" BREAKOUT,
    Source b"source" META,
    Span b"span" BREAKOUT,
    Strike b"strike" BREAKOUT,
    Strong b"strong" BREAKOUT,
    Style b"style" RAW,
    Sub b"sub" BREAKOUT,
    Summary b"summary" PLAIN,
    Sup b"sup" BREAKOUT,
    Svg b"svg" EMBED,
    Table b"table" BLOCK | CLOSES_P | SPECIAL | BOUND | TABLE_BOUND | BREAKOUT,
    Tbody b"tbody" ROWS,
    Td b"td" CELL,
    Template b"template" SPECIAL | BOUND | TABLE_BOUND | EMBED,
    Textarea b"textarea" CONTROL | SPECIAL,
    Tfoot b"tfoot" ROWS,
    Th b"th" CELL,
    Thead b"thead" ROWS,
    Title b"title" SPECIAL | DEAD | SKIP,
    Tr b"tr" ROWS,
    Track b"track" META,
    Tt b"tt" BREAKOUT,
    U b"u" BREAKOUT,
    Ul b"ul" PLAIN | LIST_BOUND | BREAKOUT,
    Var b"var" BREAKOUT,
    Video b"video" EMBED,
    Wbr b"wbr" META,
    Xmp b"xmp" BLOCK | CLOSES_P | SPECIAL | PRE,
    // Parts of SVG and MathML that matter: where HTML may stand inside, and what is a copy of what is shown.
    Annotation b"annotation" EMBED,
    AnnotationXml b"annotation-xml" EMBED,
    Desc b"desc" 0,
    ForeignObject b"foreignobject" 0,
    Mi b"mi" 0,
    Mn b"mn" 0,
    Mo b"mo" 0,
    Ms b"ms" 0,
    Mtext b"mtext" 0,
}

impl Tag {
    pub(crate) fn has(self, props: u32) -> bool {
        self.props() & props != 0
    }

    /// 1 to 6 for a heading.
    pub(crate) fn heading_level(self) -> Option<u8> {
        match self {
            Self::H1 => Some(1),
            Self::H2 => Some(2),
            Self::H3 => Some(3),
            Self::H4 => Some(4),
            Self::H5 => Some(5),
            Self::H6 => Some(6),
            _ => None,
        }
    }

    /// Whether HTML may stand in this SVG or `MathML` element.
    pub(crate) fn integrates_html(self) -> bool {
        use Tag::{Desc, ForeignObject, Mi, Mn, Mo, Ms, Mtext, Title};
        matches!(
            self,
            ForeignObject | Desc | Title | Mi | Mn | Mo | Ms | Mtext
        )
    }

    /// How the tokenizer is to read the content, when not as markup.
    pub(crate) fn content(self) -> Option<State> {
        match self {
            Self::Title | Self::Textarea => Some(State::RcData),
            Self::Script => Some(State::ScriptData),
            Self::Plaintext => Some(State::PlainText),
            Self::Style
            | Self::Xmp
            | Self::Iframe
            | Self::Noembed
            | Self::Noframes
            | Self::Noscript => Some(State::RawText),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, DEAD, SKIP, Tag, VOID};

    #[test]
    fn names_are_known() {
        assert_eq!(Tag::of(b"div"), Tag::Div);
        assert_eq!(Tag::of(b"h6").heading_level(), Some(6));
        assert_eq!(Tag::of(b"rustdoc-topbar"), Tag::Other);
        assert_eq!(Tag::of(b""), Tag::Other);
    }

    #[test]
    fn properties_stand_at_their_tag() {
        assert!(Tag::Br.has(VOID) && !Tag::Br.has(BLOCK));
        assert!(Tag::Nav.has(SKIP) && !Tag::Nav.has(DEAD));
        assert!(Tag::Script.has(DEAD));
        assert_eq!(Tag::Other.props(), 0);
        assert!(Tag::Main.has(BLOCK) && !Tag::Main.has(SKIP));
    }
}
