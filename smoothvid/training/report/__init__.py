"""What a run looks like from outside: where it stands, and a page that shows it.

    write_run_report(Path("runs/sky"))      # from smoothvid.training.report.page: writes runs/sky/report.html

state     where a run stands, from the files in its folder alone; imports nothing heavy
curves    its numbers over the clips seen
previews  its preview videos and stills, beside real clips in the same form
page      the page: what is shown, and in which words; its pieces are those of smoothvid.evaluation.report
"""
