"""The demo: the whole path in one go, and a page that shows what came of it.

run     the stages, each one library call that a command makes too
videos  its videos
page    the page: what is shown, and in which words; its pieces are those of smoothvid.evaluation.report
"""
