"""The brand's own mini-programs: the script that they bundle, who their readers are to WeChat, and who passed what on."""
