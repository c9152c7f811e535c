//! Tests of the reader through what it makes of pages.

use crate::{headings, links, page, readable, sections, title};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn link_list(content: &str) -> Vec<(String, String)> {
    links(content)
        .into_iter()
        .map(|link| (link.href, link.text))
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec()
}

#[test]
fn blocks_are_apart_and_inline_markup_is_not() {
    assert_eq!(
        readable("<p>One <b>t<i>w</i>o</b>, <span>three</span>.</p><div>Four\n\n five</div>six"),
        "One two, three.\n\nFour five\n\nsix"
    );
    assert_eq!(
        readable("<table><tr><th>a<th>b<tr><td>c</td><td>d</table>"),
        "a b\n\nc d"
    );
    assert_eq!(readable("a<br>b<br/>c<br><br>d<hr>e"), "a\nb\nc\n\nd\n\ne");
    assert_eq!(
        readable("<dl><dt>a<dd>b<dt>c<dd>d</dl>"),
        "a\n\nb\n\nc\n\nd"
    );
}

#[test]
fn references_are_decoded() {
    assert_eq!(
        readable(
            "&lt;b&gt; &amp;amp; &eacute;&#233;&#xE9; &copy 2020 &nbsp;x &notit; &#0; &bogus; AT&T"
        ),
        "<b> &amp; ééé © 2020 \u{a0}x ¬it; \u{fffd} &bogus; AT&T"
    );
    assert_eq!(
        readable("&CounterClockwiseContourIntegral; &lt &ltx"),
        "∳ < <x"
    );
}

#[test]
fn what_is_no_text_is_left_out() {
    let page = "<head><style>p{}</style><script>if (a < b) '</p>'</script></head><body>\
        <noscript><p>Enable</p></noscript><template><p>T</p></template><svg><text>S</text></svg>\
        <header>H</header><nav>N</nav><aside>A</aside><footer>F</footer>\
        <button>B</button><select><option>O</select><textarea><p>X</textarea><input value=I>\
        <iframe><p>no</iframe><video>V</video><p hidden>no<p>yes<span aria-hidden=true>no</span></p>\
        <div role=navigation>no</div><!-- no --><?no?><![CDATA[no]]>";
    assert_eq!(readable(page), "yes");
}

#[test]
fn a_script_ends_where_the_standard_says() {
    assert_eq!(
        readable("<script>\"<!--<script></script>--></p>\"</script>a"),
        "a"
    );
    assert_eq!(readable("<SCRIPT>x</scriptx></SCRIPT >a"), "a");
    assert_eq!(readable("a<script>never closed"), "a");
}

#[test]
fn controls_separate_words() {
    assert_eq!(readable("a<button>x</button>b<input>c"), "a b c");
    assert_eq!(readable("a<script>x</script>b"), "ab");
    assert_eq!(
        readable("a<button><p>x</p></button>b<svg><desc><p>x</p></desc></svg>c"),
        "a bc",
        "what is left out makes no block"
    );
}

#[test]
fn pre_keeps_its_lines() {
    assert_eq!(
        readable("<p>a</p><pre>\n  one\n\n    <b>two</b>  x\n</pre><p>b"),
        "a\n\n  one\n\n    two  x\n\nb"
    );
    assert_eq!(
        readable("<pre><code>fn  main() {\r\n}</code></pre>"),
        "fn  main() {\n}"
    );
    assert_eq!(
        readable("<pre><div>a  b</div><div>c</div>\n<div>d</div>e<br>f</pre>"),
        "a  b\nc\nd\ne\nf"
    );
}

#[test]
fn the_header_of_an_article_gives_its_headings() {
    assert_eq!(
        readable(
            "<header><h1>Site</h1></header><article><header><h1>T</h1><p>by me</header><p>a</article>"
        ),
        "T\n\na"
    );
    assert!(headings("<article><header><nav><h2>no</h2></nav></header></article>").is_empty());
}

#[test]
fn end_tags_are_implied() {
    assert_eq!(
        readable("<p>a<p>b<ul><li>c<li>d<ul><li>e</ul><li>f</ul>g"),
        "a\n\nb\n\nc\n\nd\n\ne\n\nf\n\ng"
    );
    // The paragraph ends with the list, so the navigation in it does not swallow the rest.
    assert_eq!(readable("<div><nav>a</div><p>b"), "b");
    assert_eq!(readable("<ul><li><nav>a</ul>b"), "b");
    assert_eq!(readable("<table><tr><td><aside>a<td>b</table>c"), "b\n\nc");
    assert_eq!(readable("<button>a<p>b</button>c"), "c");
    assert_eq!(readable("<select><option>a<input>b"), "b");
    assert_eq!(readable("<select><option>a<select>b"), "b");
    assert_eq!(readable("<ruby>漢<rp>(<rt>kan<rp>)</ruby>"), "漢kan");
}

#[test]
fn the_main_text_stands_apart_from_what_was_left_open() {
    assert_eq!(readable("<h1>a<main><p>b</main>c"), "b");
    assert_eq!(readable("<pre>a<article>b</article>c"), "b");
}

#[test]
fn stray_end_tags_close_nothing() {
    assert_eq!(readable("<nav>a</p></span></x-y></li></td>b</nav>c"), "c");
    assert_eq!(readable("<nav><b>a</section></b></body>b</nav>c"), "c");
    assert_eq!(readable("a</p>b</br>c"), "a\n\nb\nc");
    assert_eq!(readable("<main><p>a</body></html><p>b</main>"), "a\n\nb");
}

#[test]
fn an_end_tag_does_not_reach_out_of_its_scope() {
    assert_eq!(
        readable("<aside><table><tr><td></aside>a</table></aside>b"),
        "b"
    );
    assert_eq!(readable("<x-a hidden><div></x-a>a</div></x-a>b"), "b");
    assert_eq!(readable("<form><nav></form>a</nav>b"), "b");
}

#[test]
fn table_parts_need_a_table() {
    assert_eq!(readable("a<td>b</td><tr>c"), "abc");
    assert_eq!(readable("<table><nav>a<tr><td>b"), "b");
    assert_eq!(
        readable(
            "<table><caption>a</caption><thead><tr><th>b</thead><tr><td>c<table><tr><td>d</table>e</table>"
        ),
        "a\n\nb\n\nc\n\nd\n\ne"
    );
}

#[test]
fn svg_gives_way_to_html() {
    assert_eq!(readable("<svg><path d=x><g>t<p>a"), "a");
    assert_eq!(readable("<svg><style/><script/><title/></svg>a"), "a");
    assert_eq!(readable("<svg><title>x</title><a href=y>z</a></svg>a"), "a");
    assert_eq!(
        readable("<svg/>a<svg><foreignObject><p>x</p></foreignObject></svg>b"),
        "ab"
    );
    assert_eq!(readable("<svg><![CDATA[<p>x]]></svg>a"), "a");
    assert_eq!(
        readable("<math><mi>x</mi><mo>=</mo><mn>1</mn><annotation>x=1</annotation></math>"),
        "x=1"
    );
    assert_eq!(
        title("<svg><title>no</title></svg><title>yes</title>"),
        "yes"
    );
}

#[test]
fn the_title_is_the_first_one() {
    assert_eq!(
        title("<title>\n A  <b>&amp;\n</title><title>B</title>"),
        "A <b>&"
    );
    assert_eq!(title("<p>no title"), "");
    assert_eq!(title("<template><title>no</title></template>"), "");
    assert_eq!(title("<title>never closed"), "never closed");
    assert_eq!(page("<body>x<title>late</title>").title, "late");
}

#[test]
fn headings_are_one_line_of_text() {
    let found = headings("<h1 id='a b'>One<br>two <small>x</small><div>three</div></h1>");
    assert_eq!(found[0].text, "One two x three");
    assert_eq!(found[0].anchor, "a b");
    assert_eq!(
        readable("<h2>a\n <span>b</span></h3>c"),
        "a b\n\nc",
        "any heading's end tag ends it"
    );
    let levels = |page: &str| {
        headings(page)
            .iter()
            .map(|h| (h.level, h.text.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        levels("<h1>a<h2>b</h2>"),
        [(1, "a".into()), (2, "b".into())]
    );
    assert_eq!(levels("<h1></h1><h2> </h2><h3><img></h3>"), []);
    assert_eq!(
        levels("<h1>a<div><h2>b</h2></div>c"),
        [(1, "a".into()), (2, "b".into())]
    );
    assert_eq!(levels("<nav><h1>a</h1></nav><h2>b"), [(2, "b".into())]);
}

#[test]
fn signs_that_link_to_their_own_heading_are_not_read() {
    let page = "<h2 id=x><a class=anchor href=#x>§</a>Head <a href='#x'>¶</a></h2><p>a <a href=#n>note</a>";
    assert_eq!(readable(page), "Head\n\na note");
    assert_eq!(
        link_list(page),
        pairs([("#x", "§"), ("#x", "¶"), ("#n", "note")])
    );
    assert_eq!(readable("a <a href=/x>→</a> b"), "a → b");
    assert_eq!(readable("a<a href=#x> # </a>b"), "a b");
}

#[test]
fn links_are_those_of_the_whole_page() {
    assert_eq!(
        link_list(
            "<nav><a href=' /a '>A\n <b>x</b></a></nav><p><a name=n>no</a><a href=b><img><div>B</div>c</a>"
        ),
        pairs([("/a", "A x"), ("b", "B c")])
    );
    assert!(link_list("<template><a href=x>y</a></template><!-- <a href=x> -->").is_empty());
}

#[test]
fn a_link_goes_on_until_it_is_ended() {
    assert_eq!(
        link_list("<a href=1>a<a href=2>b</a>c"),
        pairs([("1", "a"), ("2", "b")])
    );
    assert_eq!(
        link_list("<a href=1>a<div>b</a>c</div>"),
        pairs([("1", "a b")])
    );
    assert_eq!(
        link_list("<p><a href=1>a<div>b</div>c</a>d"),
        pairs([("1", "a b c")]),
        "the paragraph ends with the div, the link does not"
    );
    assert_eq!(
        link_list("<table><tr><td><a href=1>a<td>b</table>c"),
        pairs([("1", "a")])
    );
    assert_eq!(
        link_list("<a href=1>a<table><tr><td></a>b</table>c</a>d"),
        pairs([("1", "a b c")])
    );
    assert_eq!(link_list("<a href=1>a"), pairs([("1", "a")]));
}

#[test]
fn white_space_around_markup_is_kept_once() {
    assert_eq!(readable("a <b> b </b> c<i> </i>d"), "a b c d");
    assert_eq!(readable("<p> a </p> <p> b </p>"), "a\n\nb");
}

#[test]
fn broken_markup_is_read_as_browsers_do() {
    assert_eq!(readable("a < b <3 <p"), "a < b <3");
    assert_eq!(readable("<div class=\"x>a</div>"), "");
    assert_eq!(readable("<p/>a<b/>b<div/>c"), "ab\n\nc");
    assert_eq!(readable("\0a\0b"), "ab");
    assert_eq!(readable("<é>a <xé>b"), "<é>a b");
    assert_eq!(readable("a\u{feff}é\r\nb\rc"), "a\u{feff}é b c");
}

/// Every function, on a page that is made to be slow.
fn read_in_time(content: &str) {
    let start = Instant::now();
    let whole = page(content);
    assert_eq!(whole.text, readable(content));
    let _ = (
        headings(content),
        links(content),
        sections(content),
        title(content),
    );
    // Linear work takes a second at most in a debug build, the square of these sizes minutes.
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(30), "{spent:?}");
}

#[test]
fn hostile_pages_are_read_in_linear_time() {
    const N: usize = 20_000;
    for unit in [
        "<div>",
        "<b>",
        "<x-y>",
        "<p><b>",
        "<table><tr><td>",
        "<table>",
        "<ul><li>",
        "<a href=x>",
        "<svg>",
        "<svg><desc>",
        "<h1><div>",
        "<font></div>",
        "<span></x>",
        "<button>",
        "<template>",
        "<select>",
        "</p>",
        "<dl><dt><div>",
        "<pre>\n",
        "<title>",
        "<a href=#><table><td>",
        "&lt;",
        "&",
        "<br>",
        "<!--",
        "</",
    ] {
        read_in_time(&unit.repeat(N));
    }
    let nested = format!(
        "{}text{}",
        "<div>".repeat(100_000),
        "</div>".repeat(100_000)
    );
    assert_eq!(readable(&nested), "text");
    assert_eq!(readable(&nested.replace("</div>", "")), "text");
    read_in_time(&format!("<x>{}{}", "<span>".repeat(N), "</x><x>".repeat(N)));
    read_in_time(&format!(
        "<x><div>{}{}",
        "<span>".repeat(N),
        "</x></p>".repeat(N)
    ));
    let names: Vec<String> = (0..N).map(|n| format!("<x{n}>")).collect();
    read_in_time(&names.concat());
}

#[test]
fn huge_attribute_lists_are_read_in_linear_time() {
    let attributes: Vec<String> = (0..100_000).map(|n| format!(" a{n}=b href={n}")).collect();
    let content = format!("<a{}>x</a>", attributes.concat());
    assert_eq!(link_list(&content), pairs([("0", "x")]));
    read_in_time(&content);
    read_in_time(&format!("<a href='{}", "&amp;".repeat(100_000)));
    read_in_time(&format!("<{}>", "x".repeat(1_000_000)));
}

/// Markup with all the elements that have rules of their own.
fn any_markup() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "p", "div", "a href=x", "a", "b", "h1", "h2 id=y", "table", "tr", "td", "th", "caption",
        "tbody", "ul", "li", "dl", "dt", "dd", "svg", "title", "desc", "math", "mi", "script",
        "style", "select", "option", "input", "button", "pre", "br", "hr", "nav", "main",
        "article", "header", "template", "form", "x-y", "body", "textarea", "ruby", "rt",
    ]);
    let piece = prop_oneof![
        4 => names.clone().prop_map(|name| format!("<{name}>")),
        3 => names.clone().prop_map(|name| format!("</{}>", name.split(' ').next().unwrap_or(name))),
        1 => names.prop_map(|name| format!("<{name}/>")),
        4 => "[ab é\n]{1,3}",
        1 => Just("&amp;<!-- c --><![CDATA[d]]>".to_owned()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn is_tidy(text: &str) -> bool {
    text == text.trim_matches([' ', '\n', '\t']) && !text.contains("\n\n\n\n")
}

proptest! {
    #[test]
    fn no_markup_makes_it_panic_and_the_parts_agree(content in any_markup()) {
        let whole = page(&content);
        prop_assert_eq!(&whole.title, &title(&content));
        prop_assert_eq!(&whole.text, &readable(&content));
        prop_assert!(is_tidy(&whole.title) && !whole.title.contains('\n'));
        let sections = sections(&content);
        let words: u32 = sections.iter().map(|s| s.words + words::count(&s.heading)).sum();
        prop_assert_eq!(words, whole.words);
        let found: Vec<_> = sections.iter().filter(|s| s.level > 0).map(|s| s.heading.clone()).collect();
        let headings: Vec<_> = whole.headings.iter().map(|h| h.text.clone()).collect();
        prop_assert_eq!(found, headings);
        for link in &whole.links {
            prop_assert!(is_tidy(&link.text) && !link.text.contains('\n'));
        }
    }

    #[test]
    fn no_text_makes_it_panic(content in any::<String>(), bytes in "[<>/!&#;'\"=a-cx\\-\\[\\]\0\r\n é]{0,60}") {
        let _ = (page(&content), sections(&content), page(&bytes), sections(&bytes));
    }

    #[test]
    fn text_without_markup_is_itself(words in prop::collection::vec("[a-zé漢.,]{1,8}", 1..20)) {
        prop_assert_eq!(readable(&words.join(" \n")), words.join(" "));
    }
}
