//! Granted files and folders: what is in them is read as it is, and nothing else of the file system is there.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::{probe, project, put, refused};

const READ: &str = "grants = { read = [\"data/words\", \"notes/one.txt\"] }";

fn words() -> flowstone_tests::Project {
    let project = project(READ);
    put(&project, "data/words/zebra.txt", "z");
    put(&project, "data/words/en.txt", "the of and");
    put(&project, "data/words/more/de.txt", "der die das");
    put(&project, "data/secret.txt", "secret");
    put(&project, "notes/one.txt", "1");
    put(&project, "notes/two.txt", "2");
    project
}

#[test]
fn granted_files_are_read_under_their_names() {
    let project = words();
    put(&project, "data/words/large.bin", vec![b'x'; 3 << 20]);
    let said = probe(
        &project,
        &[
            "read data/words/en.txt",
            "read ./data/words/more/../more/de.txt",
            "read notes/one.txt",
            "tail data/words/more/de.txt",
            "count data/words/large.bin",
            "list data/words",
            "list data/words/more",
            "list notes",
        ],
    );
    let said: Vec<&str> = said.values().map(String::as_str).collect();
    assert_eq!(
        said,
        [
            "3145728",
            "en.txt large.bin more/ zebra.txt",
            "de.txt",
            "one.txt",
            "der die das",
            "the of and",
            "1",
            " das",
        ]
    );
}

#[test]
fn nothing_else_is_there() {
    let project = words();
    put(&project, "docs/../outside.txt", "outside");
    symlink("zebra.txt", project.path("data/words/alias.txt")).expect("links are taken");
    let absolute = project.path("data/words/en.txt");
    let lines = [
        "read data/secret.txt",
        "read data/words/../secret.txt",
        "read data/words/../words/en.txt",
        "read data/words/../../outside.txt",
        "read ../outside.txt",
        "read outside.txt",
        "read notes/two.txt",
        "read flow.toml",
        "read .flowstone/store.redb",
        "read /etc/passwd",
        "read data/words/en.txt/",
        "read data/words",
        "read data/words/en.txt/../zebra.txt",
        "list /",
        "list .",
        "list ..",
        "list data",
        "list docs",
        "list data/words/..",
        "stat /proc/self/environ",
        "stat data",
        "link data/words/alias.txt",
        "folder",
    ];
    let absolute = format!("read {}", absolute.display());
    let said = probe(&project, &[&lines[..], &[&*absolute]].concat());
    assert_eq!(said.len(), lines.len() + 1);
    for (line, said) in said {
        let nothing = match &*line {
            "folder" => said == "/",
            _ => said.starts_with("error: "),
        };
        assert!(nothing, "`{line}` gave {said}");
    }
}

#[test]
fn nothing_can_be_changed() {
    let project = words();
    let before = fs::metadata(project.path("data/words/en.txt")).expect("it is there");
    let mut lines = Vec::new();
    for what in [
        "write", "append", "update", "truncate", "create", "mkdir", "rmdir", "remove", "rename",
        "hardlink", "times",
    ] {
        for path in [
            "data/words/en.txt",
            "data/words/new",
            "data/words/more",
            "new",
            "/tmp/new",
        ] {
            lines.push(format!("{what} {path}"));
        }
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (line, said) in probe(&project, &lines) {
        assert!(said.starts_with("error: "), "`{line}` gave {said}");
    }
    assert_eq!(
        fs::read_to_string(project.path("data/words/en.txt")).expect("it is there"),
        "the of and"
    );
    let after = fs::metadata(project.path("data/words/en.txt")).expect("it is there");
    assert_eq!(before.modified().ok(), after.modified().ok());
    assert_eq!(
        fs::read_dir(project.path("data/words"))
            .expect("it is there")
            .count(),
        3
    );
    assert!(!project.path("new").exists() && !project.path("data/words/new").exists());
}

#[test]
fn times_and_identities_do_not_leak() {
    let project = words();
    let stat = |project: &flowstone_tests::Project| {
        probe(
            project,
            &[
                "stat data/words/en.txt",
                "stat data/words",
                "stat notes/one.txt",
            ],
        )
    };
    let first = stat(&project);
    assert_eq!(
        first["stat data/words/en.txt"],
        "10 bytes, folder false, modified Some(0ns), accessed Some(0ns), created Some(0ns)"
    );
    // The same content with another time and another inode is the same in every way.
    let path = project.path("data/words/en.txt");
    fs::remove_file(&path).expect("it is there");
    put(&project, "data/words/en.txt", "the of and");
    let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(9));
    let file = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    file.set_times(time).expect("times can be set");
    assert_eq!(project.run().calls, [""; 0]);
    let other = words();
    assert_eq!(stat(&other), first);
}

#[test]
fn links_inside_are_what_they_lead_to_and_others_are_refused() {
    let project = words();
    symlink("../more/de.txt", project.path("data/words/more/up.txt")).expect("links are taken");
    symlink("words", project.path("data/also")).expect("links are taken");
    fs::hard_link(
        project.path("data/secret.txt"),
        project.path("data/words/hard.txt"),
    )
    .expect("links are taken");
    let said = probe(
        &project,
        &["read data/words/more/up.txt", "read data/words/hard.txt"],
    );
    assert_eq!(said["read data/words/more/up.txt"], "der die das");
    // A hard link is the file itself: whoever made it in a granted folder put its content there.
    assert_eq!(said["read data/words/hard.txt"], "secret");

    let elsewhere = tempfile::tempdir().expect("there is a place");
    fs::write(elsewhere.path().join("far.txt"), "far").expect("files are taken");
    let far = elsewhere.path().join("far.txt");
    let link = project.path("data/words/link");
    let mut faults = Vec::new();
    for to in [
        far.to_str().expect("it is text"),
        "../secret.txt",
        "/etc/passwd",
        "more",
        "nowhere",
        "link",
    ] {
        symlink(to, &link).expect("links are taken");
        faults.extend(refused(&project));
        fs::remove_file(&link).expect("it is there");
    }
    let outside = "`data/words` cannot be granted: `data/words/link` leads out of what is granted: a symbolic link may lead to \
         a file of the same granted folder and to nothing else";
    assert_eq!(faults[..3], [outside, outside, outside]);
    assert_eq!(
        faults[3],
        "`data/words` cannot be granted: `data/words/link` is a symbolic link to a folder: grant the folder that it leads to"
    );
    assert_eq!(
        faults[4],
        "`data/words` cannot be granted: the symbolic link `data/words/link` leads nowhere: remove it, or put in its place \
         what it led to"
    );
    assert!(
        faults[5].starts_with("`data/words` cannot be granted: cannot follow `data/words/link`")
    );
}

#[test]
fn the_granted_path_stays_in_the_folder_of_the_flow() {
    let elsewhere = tempfile::tempdir().expect("there is a place");
    fs::write(elsewhere.path().join("far.txt"), "far").expect("files are taken");
    let mut project = project("grants = { read = [\"data/words\"] }");
    fs::create_dir(project.path("data")).expect("folders are taken");
    symlink(elsewhere.path(), project.path("data/words")).expect("links are taken");
    assert_eq!(
        refused(&project),
        [
            "`data/words` cannot be granted: `data/words` leads out of what is granted: a symbolic link may lead to a file of \
          the same granted folder and to nothing else"
        ]
    );
    for path in ["../words", "/etc", "data/../../words"] {
        project.flow =
            crate::FLOW.replace("GRANTS", &format!("grants = {{ read = [\"{path}\"] }}"));
        let [fault] = &refused(&project)[..] else {
            panic!("there is one fault");
        };
        assert!(
            fault.starts_with(&format!("`{path}` cannot be granted: it ")),
            "{fault}"
        );
    }
}

#[test]
fn what_is_missing_or_too_large_is_said_before_anything_runs() {
    let mut project = project("grants = { read = [\"data/words\", \"notes/one.txt\"] }");
    project.write("a.md", "read data/words/en.txt");
    put(&project, "notes/one.txt", vec![b'x'; 2 << 20]);
    assert_eq!(
        refused(&project),
        [
            "`data/words` cannot be granted: there is no `data/words`: granted paths start at the folder of the flow file, \
             in cases at that of the plugin"
        ]
    );
    put(&project, "data/words/en.txt", "the");
    project.config.memory_bytes_max = 4 << 20;
    let refused_for = |project: &flowstone_tests::Project, what: &str| {
        assert_eq!(
            refused(project),
            [format!(
                "{what}, and the memory given leaves 1 MiB and 50000 of them for all that is granted: grant only what the \
                 plugin reads, or raise `--memory`: granted files may take a quarter of it, with 256 bytes and a name for each"
            )]
        );
    };
    refused_for(
        &project,
        "`notes/one.txt` holds 2 MiB in 1 files and folders",
    );
    // Files take memory even where nothing is in them.
    put(&project, "notes/one.txt", "1");
    for at in 0..4999 {
        put(&project, &format!("data/words/{at}"), "");
    }
    refused_for(&project, "`data/words` holds 3 B in 5000 files and folders");
}
