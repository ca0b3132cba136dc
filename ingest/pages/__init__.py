"""The brand's own pages: the script that they include, whose link brought whom, and who a visitor is to WeChat."""
