use super::*;

fn read_as(format: Format, text: &str) -> Result<Report, ReportError> {
    assert_eq!(Format::guess(text), Some(format), "the format tells itself");
    let mut report = Report::default();
    read(format, text, &mut report).map(|()| report)
}

fn lines(report: &Report, file: &str) -> Vec<(u32, bool)> {
    report.files[file].iter().map(|(line, ran)| (*line, *ran)).collect()
}

#[test]
fn lcov_tells_lines() {
    let report =
        read_as(Format::Lcov, "TN:\nSF:src/a.rs\nFN:1,f\nDA:1,3\nDA:2,0\nLF:2\nLH:1\nend_of_record\n").unwrap();
    assert_eq!(lines(&report, "src/a.rs"), [(1, true), (2, false)]);
    assert_eq!(Report::share(&report.files["src/a.rs"], 1, 2), Some(50));
    assert_eq!(Report::share(&report.files["src/a.rs"], 3, 9), None);
    for (text, line) in [
        ("SF:a\nDA:x,1\nend_of_record\n", Some(2)),
        ("SF:a\nDA:1,1\n", None),
        ("TN:\n", None),
        ("SF:a\nend_of_record\nDA:1,1\n", Some(3)),
        ("SF:a\nnonsense\nend_of_record\n", Some(2)),
    ] {
        let error = read(Format::Lcov, text, &mut Report::default()).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
    }
}

#[test]
fn cobertura_tells_lines() {
    let text = "<?xml version=\"1.0\"?>\n<!DOCTYPE coverage SYSTEM \"x.dtd\">\n<coverage><packages><package><classes>\
        <class filename=\"a/b.py\"><lines><line number=\"3\" hits=\"1\"/><line number=\"4\" hits=\"0\"/></lines></class>\
        </classes></package></packages></coverage>";
    assert_eq!(lines(&read_as(Format::Cobertura, text).unwrap(), "a/b.py"), [(3, true), (4, false)]);
    let broken = "<coverage><class filename='a'><line number='x' hits='1'/></class></coverage>";
    assert!(read(Format::Cobertura, broken, &mut Report::default()).is_err());
    let bomb = "<!DOCTYPE c [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">\
        <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;\"><!ENTITY f \"&e;&e;&e;&e;&e;\"><!ENTITY g \"&f;&f;&f;&f;&f;\">\
        <!ENTITY h \"&g;&g;&g;&g;&g;\"><!ENTITY i \"&h;&h;&h;&h;\"><!ENTITY j \"&i;&i;&i;&i;\"><!ENTITY k \"&j;&j;&j;\"><!ENTITY l \"&k;&k;\">]>\
        <coverage>&l;</coverage>";
    assert!(read(Format::Cobertura, bomb, &mut Report::default()).is_err());
}

#[test]
fn junit_tells_tests() {
    let text = "<testsuites><testsuite><testcase classname=\"c\" name=\"a\"/><testcase name=\"b\"><failure/></testcase>\
        <testcase name=\"d\"><skipped/></testcase></testsuite></testsuites>";
    let report = read_as(Format::Junit, text).unwrap();
    assert!(report.passed.iter().eq(["c::a"]) && report.failed.iter().eq(["b"]) && report.skipped.iter().eq(["d"]));
    assert!(read(Format::Junit, "<testsuite/>", &mut Report::default()).is_err());
    assert!(read(Format::Junit, "<html/>", &mut Report::default()).is_err());
}

#[test]
fn llvm_tells_lines() {
    let text = r#"{"type":"llvm.coverage.json.export","version":"2.0.1","data":[{"files":[{"filename":"a.rs",
        "segments":[[1,1,5,true,true,false],[4,2,0,false,false,false],[6,1,0,true,true,false],[7,2,0,false,false,false]]}]}]}"#;
    let report = read_as(Format::LlvmCov, text).unwrap();
    assert_eq!(lines(&report, "a.rs"), [(1, true), (2, true), (3, true), (4, true), (6, false), (7, false)]);
}

#[test]
fn mutants_tell_how_much_tests_see() {
    let text = r#"{"outcomes":[{"scenario":"Baseline","summary":"Success"},
        {"scenario":{"Mutant":{}},"summary":"CaughtMutant"},{"scenario":{"Mutant":{}},"summary":"MissedMutant"},
        {"scenario":{"Mutant":{}},"summary":"Timeout"},{"scenario":{"Mutant":{}},"summary":"Unviable"}]}"#;
    assert_eq!(read_as(Format::Mutants, text).unwrap().mutants, Some(Mutants { caught: 2, tried: 3 }));
    assert!(read(Format::Mutants, r#"{"outcomes":[]}"#, &mut Report::default()).is_err());
    assert!(read(Format::Mutants, "{", &mut Report::default()).is_err());
}
